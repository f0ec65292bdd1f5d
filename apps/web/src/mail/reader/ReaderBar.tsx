import {
  Archive,
  ArrowLeft,
  ChevronDown,
  ChevronUp,
  FolderInput,
  History,
  Mail,
  MailOpen,
  MoreHorizontal,
  ShieldAlert,
  ShieldCheck,
  Star,
  Trash2,
} from 'lucide-react'
import { useDesk, useMailbox } from '../../app/context.ts'
import { isStarred, isUnread } from '../../data/types.ts'
import type { View } from '../../data/view.ts'
import { t } from '../../i18n/index.ts'
import { keyLabel } from '../../keyboard/keymap.ts'
import { IconButton } from '../../ui/Button.tsx'
import { Menu, type MenuItem } from '../../ui/Menu.tsx'
import { movePicker } from '../MovePicker.tsx'

interface BarProps {
  readonly messageId: string
  readonly view: View
  readonly single: boolean
  readonly onClose: () => void
  readonly open: (id: string) => void
  readonly onHistory: () => void
}

export function ReaderBar({ messageId, view, single, onClose, open, onHistory }: BarProps) {
  const { mailbox, actions } = useDesk()
  const message = useMailbox((each) => each.message(messageId))
  const ids = [messageId]
  const unread = message !== undefined && isUnread(message)
  const starred = message !== undefined && isStarred(message)
  const inJunk = message !== undefined && message.folderId === mailbox.folderByRole('JUNK')?.id
  const inTrash = message !== undefined && message.folderId === mailbox.folderByRole('TRASH')?.id
  const at = view.ids.indexOf(messageId)
  const before = at > 0 ? view.ids[at - 1] : undefined
  const after = at < 0 ? undefined : view.ids[at + 1]
  const items: MenuItem[] = [
    { label: t('move'), icon: FolderInput, shortcut: keyLabel('move'), run: () => movePicker.set(ids) },
    {
      label: inJunk ? t('notJunk') : t('junk'),
      icon: inJunk ? ShieldCheck : ShieldAlert,
      shortcut: keyLabel('junk'),
      run: () => actions.junk(ids),
    },
    {
      label: unread ? t('markRead') : t('markUnread'),
      icon: unread ? MailOpen : Mail,
      shortcut: keyLabel(unread ? 'mark-read' : 'mark-unread'),
      run: () => actions.markRead(ids, unread),
    },
    { label: t('history'), icon: History, shortcut: keyLabel('history'), run: onHistory, separated: true },
  ]
  return (
    <div className="reader-bar" role="toolbar" aria-label={t('reader')}>
      <IconButton
        icon={ArrowLeft}
        label={t('keyBackToList')}
        command="back-to-list"
        size={20}
        className={single ? '' : 'wide-hidden'}
        onClick={onClose}
      />
      {message && (
        <>
          <IconButton
            icon={Archive}
            label={t('archive')}
            command="archive"
            size={20}
            onClick={() => actions.archive(ids)}
          />
          <IconButton
            icon={Trash2}
            label={inTrash ? t('deleteForever') : t('delete')}
            command="trash"
            size={20}
            onClick={() => actions.trash(ids)}
          />
          <IconButton
            icon={Star}
            label={starred ? t('unstar') : t('star')}
            command="star"
            size={20}
            filled={starred}
            className={starred ? 'star-on' : ''}
            aria-pressed={starred}
            onClick={() => actions.toggleStar(ids)}
          />
          <Menu
            label={t('moreActions')}
            items={items}
            trigger={(props) => <IconButton icon={MoreHorizontal} label={t('moreActions')} size={20} {...props} />}
          />
        </>
      )}
      <span className="grow" />
      <IconButton
        icon={ChevronUp}
        label={t('keyPrevious')}
        command="previous"
        size={20}
        disabled={before === undefined}
        onClick={() => before !== undefined && open(before)}
      />
      <IconButton
        icon={ChevronDown}
        label={t('keyNext')}
        command="next"
        size={20}
        disabled={after === undefined}
        onClick={() => after !== undefined && open(after)}
      />
    </div>
  )
}
