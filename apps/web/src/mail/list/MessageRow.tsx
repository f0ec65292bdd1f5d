import { Archive, Check, Mail, MailOpen, Paperclip, Reply, Star, Trash2 } from 'lucide-react'
import { type DragEvent, type MouseEvent, memo, type ReactNode, useState } from 'react'
import { useMailbox } from '../../app/context.ts'
import { ANSWERED, isStarred, isUnread, type Message } from '../../data/types.ts'
import type { Highlights } from '../../data/view.ts'
import { t } from '../../i18n/index.ts'
import { Marked } from '../../search/Marked.tsx'
import { Avatar } from '../../ui/Avatar.tsx'
import { IconButton } from '../../ui/Button.tsx'
import { briefNames, fullDate, personName, shortDate } from '../../ui/format.ts'

export interface RowEvents {
  click(id: string, event: MouseEvent): void
  tick(id: string, event: MouseEvent): void
  act(id: string, what: 'archive' | 'trash' | 'read' | 'star'): void
  drag(id: string, event: DragEvent): void
}

interface RowProps {
  readonly id: string
  readonly index: number
  readonly top: number
  readonly isCursor: boolean
  readonly isOpen: boolean
  readonly isTicked: boolean
  readonly showRecipient: boolean
  readonly folderTag: string | undefined
  readonly highlights: Highlights | undefined
  readonly events: RowEvents
  /** Changes at midnight and with the language, so that dates are written anew. */
  readonly epoch: string
}

export const MessageRow = memo(function MessageRow(props: RowProps) {
  const { id, index, top, isCursor, isOpen, isTicked, highlights, events } = props
  const message = useMailbox((mailbox) => mailbox.message(id))
  const [hovered, setHovered] = useState(false)
  if (!message) return <PlaceholderRow index={index} top={top} />
  const classes = ['row', isUnread(message) && 'unread', isOpen && 'open', isTicked && 'ticked', isCursor && 'cursor']
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the dispatcher opens the cursor row on Enter
    // biome-ignore lint/a11y/useSemanticElements: rows are placed by hand, which a table cannot be
    <div
      role="row"
      aria-rowindex={index + 1}
      aria-selected={isTicked || isOpen}
      aria-label={rowName(message, props.showRecipient)}
      tabIndex={isCursor ? 0 : -1}
      data-id={id}
      className={classes.filter(Boolean).join(' ')}
      style={{ transform: `translateY(${top}px)` }}
      draggable
      onDragStart={(event) => events.drag(id, event)}
      onClick={(event) => events.click(id, event)}
      onPointerEnter={() => setHovered(true)}
      onPointerLeave={() => setHovered(false)}
    >
      <RowContent
        message={message}
        isTicked={isTicked}
        showRecipient={props.showRecipient}
        folderTag={props.folderTag}
        highlights={highlights}
        events={events}
        epoch={props.epoch}
      />
      {hovered && <RowActions message={message} events={events} />}
    </div>
  )
})

interface ContentProps
  extends Pick<RowProps, 'isTicked' | 'showRecipient' | 'folderTag' | 'highlights' | 'events' | 'epoch'> {
  readonly message: Message
}

/** Apart from where the row stands, so that mail coming in above moves rows without drawing them again. */
const RowContent = memo(function RowContent({
  message,
  isTicked,
  showRecipient,
  folderTag,
  highlights,
  events,
}: ContentProps) {
  const lead = showRecipient ? message.to[0] : message.from[0]
  return (
    <>
      <Cell className="row-tick">
        <button
          type="button"
          tabIndex={-1}
          aria-label={t('select')}
          aria-pressed={isTicked}
          className="tick"
          onClick={(event) => {
            event.stopPropagation()
            events.tick(message.id, event)
          }}
        >
          <Avatar name={personName(lead) || '?'} seed={lead?.address ?? ''} />
          <span className="tick-mark">{isTicked && <Check size={16} strokeWidth={2.5} aria-hidden="true" />}</span>
        </button>
      </Cell>
      <Cell className="row-body">
        <span className="row-dot" />
        <span className="row-who">{correspondents(message, showRecipient)}</span>
        <span className="row-text">
          <span className="row-subject">
            {highlights && highlights.subject.length > 0 ? (
              <Marked fragments={highlights.subject} />
            ) : (
              message.subject || t('noSubject')
            )}
          </span>
          <span className="row-snippet">
            {highlights && highlights.snippet.length > 0 ? <Marked fragments={highlights.snippet} /> : message.snippet}
          </span>
        </span>
        <span className="row-meta">
          {folderTag && <span className="tag">{folderTag}</span>}
          {message.flags.includes(ANSWERED) && <Reply size={14} strokeWidth={1.75} aria-hidden="true" />}
          {message.hasAttachment && <Paperclip size={14} strokeWidth={1.75} aria-hidden="true" />}
          {isStarred(message) && <Star size={14} className="star-on" fill="currentColor" aria-hidden="true" />}
        </span>
        <time className="row-date" dateTime={message.receivedAt} title={fullDate(message.receivedAt)}>
          {shortDate(message.receivedAt)}
        </time>
      </Cell>
    </>
  )
})

function RowActions({ message, events }: { readonly message: Message; readonly events: RowEvents }) {
  const unread = isUnread(message)
  const starred = isStarred(message)
  const common = { events, id: message.id }
  return (
    <Cell className="row-actions">
      <RowAction {...common} what="star" label={starred ? t('unstar') : t('star')} icon={Star} filled={starred} />
      <RowAction {...common} what="archive" label={t('archive')} icon={Archive} />
      <RowAction {...common} what="trash" label={t('delete')} icon={Trash2} />
      <RowAction
        {...common}
        what="read"
        label={unread ? t('markRead') : t('markUnread')}
        icon={unread ? MailOpen : Mail}
      />
    </Cell>
  )
}

function Cell({ className, children }: { readonly className: string; readonly children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a part of a row that is no <tr>
    // biome-ignore lint/a11y/useFocusableInteractive: the row has the focus
    <div role="gridcell" className={className}>
      {children}
    </div>
  )
}

interface RowActionProps {
  readonly events: RowEvents
  readonly id: string
  readonly what: 'archive' | 'trash' | 'read' | 'star'
  readonly label: string
  readonly icon: typeof Star
  readonly filled?: boolean
}

function RowAction({ events, id, what, label, icon, filled }: RowActionProps) {
  return (
    <IconButton
      icon={icon}
      label={label}
      tabIndex={-1}
      {...(filled ? { filled } : {})}
      onClick={(event) => {
        event.stopPropagation()
        events.act(id, what)
      }}
    />
  )
}

export function PlaceholderRow({ index, top }: { readonly index: number; readonly top: number }) {
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: nothing to do with a row that is not here yet
    // biome-ignore lint/a11y/useSemanticElements: rows are placed by hand, which a table cannot be
    <div
      role="row"
      aria-rowindex={index + 1}
      aria-label={t('loading')}
      className="row placeholder"
      style={{ transform: `translateY(${top}px)` }}
    >
      <Cell className="row-tick">
        <span className="bone round" />
      </Cell>
      <Cell className="row-body">
        <span className={`bone line w${index % 4}`} />
        <span className={`bone line w${4 + (index % 3)}`} />
      </Cell>
    </div>
  )
}

function correspondents(message: Message, recipients: boolean): string {
  if (recipients) {
    return t('toName', { name: briefNames(message.to) || t('noRecipient') })
  }
  return briefNames(message.from) || t('noSender')
}

function rowName(message: Message, recipients: boolean): string {
  return [
    isUnread(message) ? t('unread') : '',
    isStarred(message) ? t('starred') : '',
    correspondents(message, recipients),
    message.subject || t('noSubject'),
    message.hasAttachment ? t('hasAttachment') : '',
    shortDate(message.receivedAt),
  ]
    .filter(Boolean)
    .join(', ')
}
