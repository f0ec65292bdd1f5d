import { Folder as FolderIcon } from 'lucide-react'
import { useMemo, useState } from 'react'
import { useDesk, useMailbox } from '../app/context.ts'
import { atom, useAtom } from '../data/atom.ts'
import { t } from '../i18n/index.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { folderIcons } from './folders/icons.ts'
import { folderRows, folderTitle } from './folders/names.ts'

/** The messages that a folder is being picked for. */
export const movePicker = atom<readonly string[] | undefined>(undefined)

export function MovePicker() {
  const ids = useAtom(movePicker)
  return ids && <Picker ids={ids} />
}

function Picker({ ids }: { readonly ids: readonly string[] }) {
  const { actions } = useDesk()
  const folders = useMailbox((mailbox) => mailbox.folders)
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const found = useMemo(() => {
    const { standing, own } = folderRows(folders)
    const wanted = text.trim().toLowerCase()
    return [...standing, ...own]
      .map((row) => row.folder)
      .filter((folder) => `${folderTitle(folder)} ${folder.name}`.toLowerCase().includes(wanted))
  }, [folders, text])
  const close = () => movePicker.set(undefined)
  const pick = (index: number) => {
    const folder = found[index]
    if (!folder) return
    close()
    actions.move(ids, folder)
  }
  return (
    <Dialog title={t('moveTitle')} onClose={close} className="picker">
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="move-options"
        aria-activedescendant={found[at] ? `move-${found[at].id}` : undefined}
        aria-label={t('moveFind')}
        placeholder={t('moveFind')}
        autoFocus
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          setAt(0)
        }}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) return
          if (event.key === 'ArrowDown') setAt(Math.min(found.length - 1, at + 1))
          else if (event.key === 'ArrowUp') setAt(Math.max(0, at - 1))
          else if (event.key === 'Enter') pick(at)
          else return
          event.preventDefault()
        }}
      />
      <div id="move-options" role="listbox" aria-label={t('folders')} className="picker-options">
        {found.map((folder, index) => {
          const Icon = folder.role ? folderIcons[folder.role] : FolderIcon
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox has the focus and the keys
            // biome-ignore lint/a11y/useFocusableInteractive: same
            <div
              key={folder.id}
              id={`move-${folder.id}`}
              role="option"
              aria-selected={index === at}
              className="picker-option"
              onClick={() => pick(index)}
            >
              <Icon size={16} strokeWidth={1.75} aria-hidden="true" />
              {folderTitle(folder)}
            </div>
          )
        })}
      </div>
    </Dialog>
  )
}
