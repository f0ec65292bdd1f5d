import { Folder as FolderIcon, MoreHorizontal, Pencil, Plus, Trash2 } from 'lucide-react'
import { type DragEvent, type SubmitEvent, useState } from 'react'
import { useDesk, useMailbox } from '../../app/context.ts'
import { HOME, navigate, type Route, routeUrl } from '../../app/router.ts'
import { toast } from '../../app/toasts.ts'
import { CREATE_FOLDER, DELETE_FOLDER, FOLDERS, RENAME_FOLDER } from '../../data/documents.ts'
import { graphql } from '../../data/graphql.ts'
import type { Folder } from '../../data/types.ts'
import { t, useLanguage } from '../../i18n/index.ts'
import { Button, IconButton } from '../../ui/Button.tsx'
import { Dialog } from '../../ui/Dialog.tsx'
import { Menu } from '../../ui/Menu.tsx'
import { folderIcons } from './icons.ts'
import { type FolderRow, folderRows, folderSlug, folderTitle } from './names.ts'

type Asking =
  | { readonly kind: 'create'; readonly parent: Folder | undefined }
  | { readonly kind: 'rename' | 'delete'; readonly folder: Folder }

interface PaneProps {
  readonly at: Route
  /** Called when a folder is chosen: an overlay closes. */
  readonly onChoose: () => void
}

export function FolderPane({ at, onChoose }: PaneProps) {
  useLanguage()
  const folders = useMailbox((mailbox) => mailbox.folders)
  const link = useMailbox((mailbox) => mailbox.link)
  const [asking, setAsking] = useState<Asking>()
  const { standing, own } = folderRows(folders)
  const row = (each: FolderRow) => (
    <FolderLink key={each.folder.id} row={each} at={at} onChoose={onChoose} ask={setAsking} />
  )
  return (
    <nav className={`folder-pane ${link === 'offline' ? 'old' : ''}`} aria-label={t('folders')}>
      <ul>{standing.map(row)}</ul>
      <div className="folder-section">
        <h2>{t('folders')}</h2>
        <IconButton
          icon={Plus}
          label={t('newFolder')}
          onClick={() => setAsking({ kind: 'create', parent: undefined })}
        />
      </div>
      {own.length > 0 ? <ul>{own.map(row)}</ul> : <p className="folder-none">{t('noFolders')}</p>}
      {asking && <FolderDialog asking={asking} close={() => setAsking(undefined)} />}
    </nav>
  )
}

interface LinkProps {
  readonly row: FolderRow
  readonly at: Route
  readonly onChoose: () => void
  readonly ask: (asking: Asking) => void
}

function FolderLink({ row: { folder, level }, at, onChoose, ask }: LinkProps) {
  const { actions } = useDesk()
  const [over, setOver] = useState(false)
  const slug = folderSlug(folder)
  const name = folderTitle(folder)
  const here = at.page === 'mail' && (at.folder === slug || at.folder === folder.id)
  const Icon = folder.role ? folderIcons[folder.role] : FolderIcon
  const to: Route = { ...HOME, folder: slug } as Route
  const drafts = folder.role === 'DRAFTS'
  const count = drafts ? folder.total : folder.unread
  const onDrop = (event: DragEvent) => {
    setOver(false)
    const carried = event.dataTransfer.getData('application/x-everpost-messages')
    if (!carried) return
    event.preventDefault()
    actions.move(JSON.parse(carried) as string[], folder)
  }
  return (
    <li className={`folder ${here ? 'here' : ''} ${over ? 'over' : ''} ${folder.unread > 0 ? 'has-unread' : ''}`}>
      <a
        href={routeUrl(to)}
        aria-current={here ? 'page' : undefined}
        aria-label={folder.unread > 0 ? t('folderUnread', { name, n: folder.unread }) : name}
        style={{ paddingInlineStart: 12 + level * 16 }}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return
          event.preventDefault()
          navigate(to)
          onChoose()
        }}
        onDragOver={(event) => {
          if (!event.dataTransfer.types.includes('application/x-everpost-messages')) return
          event.preventDefault()
          setOver(true)
        }}
        onDragLeave={() => setOver(false)}
        onDrop={onDrop}
      >
        <Icon size={16} strokeWidth={1.75} aria-hidden="true" />
        <span className="folder-name">{name}</span>
        {count > 0 && <span className={`folder-count ${drafts ? 'quiet' : ''}`}>{count.toLocaleString()}</span>}
      </a>
      {!folder.role && (
        <Menu
          label={t('folderMenu', { name })}
          trigger={(props) => <IconButton icon={MoreHorizontal} label={t('folderMenu', { name })} {...props} />}
          items={[
            { label: t('newSubfolder'), icon: Plus, run: () => ask({ kind: 'create', parent: folder }) },
            { label: t('renameFolder'), icon: Pencil, run: () => ask({ kind: 'rename', folder }) },
            { label: t('deleteFolder'), icon: Trash2, danger: true, run: () => ask({ kind: 'delete', folder }) },
          ]}
        />
      )}
    </li>
  )
}

function FolderDialog({ asking, close }: { readonly asking: Asking; readonly close: () => void }) {
  const { mailbox } = useDesk()
  const [name, setName] = useState(asking.kind === 'rename' ? asking.folder.name : '')
  const [error, setError] = useState<string>()
  const [busy, setBusy] = useState(false)
  const run = async (query: string, variables: object) => {
    setBusy(true)
    setError(undefined)
    try {
      await graphql(query, variables)
      const { folders } = await graphql<{ folders: readonly Folder[] }>(FOLDERS, {})
      mailbox.replaceFolders(folders)
      close()
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure))
      setBusy(false)
    }
  }
  if (asking.kind === 'delete') {
    const { folder } = asking
    const remove = async () => {
      await run(DELETE_FOLDER, { folderId: folder.id })
      if (location.pathname.startsWith(`/m/${encodeURIComponent(folder.id)}`)) navigate(HOME, 'replace')
      toast(t('done'))
    }
    return (
      <Dialog title={t('folderDeleteTitle', { name: folder.name })} onClose={close}>
        {folder.total > 0 && <p>{t('folderDeleteText', { n: folder.total })}</p>}
        {error && (
          <p className="form-error" role="alert">
            {error}
          </p>
        )}
        <div className="dialog-buttons">
          <Button onClick={close}>{t('cancel')}</Button>
          <Button look="danger" disabled={busy} onClick={() => void remove()}>
            {t('deleteFolder')}
          </Button>
        </div>
      </Dialog>
    )
  }
  const renamed = asking.kind === 'rename' ? asking.folder : undefined
  const parent = asking.kind === 'create' ? asking.parent : undefined
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    if (name.trim() === '') return
    if (renamed) void run(RENAME_FOLDER, { folderId: renamed.id, name: name.trim() })
    else void run(CREATE_FOLDER, { name: name.trim(), parentId: parent?.id ?? null })
  }
  return (
    <Dialog title={renamed ? t('renameFolder') : parent ? t('newSubfolder') : t('newFolder')} onClose={close}>
      <form onSubmit={submit}>
        <label>
          {t('folderName')}
          <input type="text" autoFocus value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        {error && (
          <p className="form-error" role="alert">
            {error}
          </p>
        )}
        <div className="dialog-buttons">
          <Button onClick={close}>{t('cancel')}</Button>
          <Button look="primary" type="submit" disabled={busy}>
            {renamed ? t('rename') : t('create')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
