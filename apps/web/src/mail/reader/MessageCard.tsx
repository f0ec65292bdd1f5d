import { ChevronDown, Forward, History, ImageOff, MoreHorizontal, Paperclip, Reply, ReplyAll } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useDesk, useMailbox } from '../../app/context.ts'
import { type Address, isUnread, type Message, type MessageDetail } from '../../data/types.ts'
import { t } from '../../i18n/index.ts'
import { useCommand } from '../../keyboard/dispatcher.ts'
import { Avatar } from '../../ui/Avatar.tsx'
import { Button, IconButton } from '../../ui/Button.tsx'
import { fullDate, personName, relativeDate, shortDate } from '../../ui/format.ts'
import { Menu } from '../../ui/Menu.tsx'
import { compose } from '../composer/composers.ts'
import { Attachments } from './Attachments.tsx'
import { BodyFrame } from './BodyFrame.tsx'
import { PlainText } from './PlainText.tsx'
import { BodyBones } from './Reader.tsx'
import { VerdictBanner } from './VerdictBanner.tsx'

interface CardProps {
  readonly message: Message
  readonly open: boolean
  readonly foldable: boolean
  /** The message that the address names: single-key commands about bodies are for it. */
  readonly isMain: boolean
  readonly onToggle: () => void
  readonly onHistory: () => void
}

export function MessageCard({ message, open, foldable, isMain, onToggle, onHistory }: CardProps) {
  const { details, mailbox } = useDesk()
  const { data, error } = useMailbox(() => details.get(message.id))
  const [showTo, setShowTo] = useState(false)
  useEffect(() => {
    if (open) details.want(message.id)
  }, [open, details, message.id])
  const sender = message.from[0]
  const name = personName(sender) || t('noSender')
  const answer = (kind: 'reply' | 'reply-all' | 'forward') => () => void compose(kind, message.id, details, mailbox)
  if (!open) {
    return (
      <button
        type="button"
        className={`card folded ${isUnread(message) ? 'unread' : ''}`}
        data-message={message.id}
        onClick={onToggle}
      >
        <Avatar name={name} seed={sender?.address ?? ''} />
        <span className="folded-who">{name}</span>
        <span className="folded-text">{message.snippet}</span>
        {message.hasAttachment && <Paperclip size={14} aria-hidden="true" />}
        <time dateTime={message.receivedAt}>{shortDate(message.receivedAt)}</time>
      </button>
    )
  }
  const many = message.to.length + (data?.cc.length ?? 0) > 1
  const head = (
    <>
      <Avatar name={name} seed={sender?.address ?? ''} size={36} />
      <span className="card-who">
        <strong>{name}</strong>
        {sender?.name && <span className="card-address">{sender.address}</span>}
      </span>
    </>
  )
  return (
    <article className="card" data-message={message.id} aria-label={name} tabIndex={-1}>
      <header className="card-head">
        {foldable ? (
          <button type="button" className="card-fold" aria-expanded="true" onClick={onToggle}>
            {head}
          </button>
        ) : (
          <div className="card-fold">{head}</div>
        )}
        <time dateTime={message.receivedAt} title={relativeDate(message.receivedAt)} className="card-date">
          {fullDate(message.date ?? message.receivedAt)}
          <span className="card-ago">{relativeDate(message.receivedAt)}</span>
        </time>
        <IconButton
          icon={many ? ReplyAll : Reply}
          label={many ? t('replyAll') : t('reply')}
          command={many ? 'reply-all' : 'reply'}
          onClick={answer(many ? 'reply-all' : 'reply')}
        />
        <Menu
          label={t('moreActions')}
          trigger={(props) => <IconButton icon={MoreHorizontal} label={t('moreActions')} {...props} />}
          items={[
            { label: t('reply'), icon: Reply, run: answer('reply') },
            { label: t('replyAll'), icon: ReplyAll, run: answer('reply-all') },
            { label: t('forward'), icon: Forward, run: answer('forward') },
            { label: t('history'), icon: History, run: onHistory, separated: true },
            ...(data ? [{ label: t('viewSource'), run: () => window.open(data.rawUrl, '_blank', 'noopener') }] : []),
          ]}
        />
        <button
          type="button"
          className="to-line"
          aria-expanded={showTo}
          aria-label={showTo ? t('hideDetails') : t('showDetails')}
          onClick={() => setShowTo(!showTo)}
        >
          <span>{toLine(message, data, mailbox.account.address)}</span>
          <ChevronDown size={14} aria-hidden="true" className={showTo ? 'turned' : ''} />
        </button>
      </header>
      {showTo && <Recipients message={message} data={data} />}
      {data ? (
        <Body data={data} name={name} isMain={isMain} />
      ) : error ? (
        <div className="banner bad" role="alert">
          <span>
            {t('bodyFailed')} <small>{error.code}</small>
          </span>
          <Button look="quiet" onClick={() => details.want(message.id, true)}>
            {t('retry')}
          </Button>
        </div>
      ) : (
        <BodyBones />
      )}
      {isMain && data && (
        <footer className="card-foot">
          <Button icon={Reply} onClick={answer('reply')}>
            {t('reply')}
          </Button>
          {many && (
            <Button icon={ReplyAll} onClick={answer('reply-all')}>
              {t('replyAll')}
            </Button>
          )}
          <Button icon={Forward} onClick={answer('forward')}>
            {t('forward')}
          </Button>
        </footer>
      )}
    </article>
  )
}

function Body({
  data,
  name,
  isMain,
}: {
  readonly data: MessageDetail
  readonly name: string
  readonly isMain: boolean
}) {
  const [images, setImages] = useState(false)
  const blocked = data.bodyUrl !== null && data.remoteImageCount > 0 && !images
  useCommand('images', () => setImages(true), isMain && blocked)
  return (
    <>
      {data.verdict && <VerdictBanner verdict={data.verdict} isMain={isMain} />}
      {blocked && (
        <div className="banner" role="status">
          <ImageOff size={16} strokeWidth={1.75} aria-hidden="true" />
          <span>{t('imagesBlocked', { n: data.remoteImageCount })}</span>
          <Button look="quiet" onClick={() => setImages(true)}>
            {t('showImages')}
          </Button>
        </div>
      )}
      {data.bodyUrl ? (
        <BodyFrame url={images ? withImages(data.bodyUrl) : data.bodyUrl} title={t('bodyFrame', { name })} />
      ) : (
        <PlainText text={data.text} isMain={isMain} />
      )}
      <Attachments attachments={data.attachments.filter((each) => !each.inline || !data.bodyUrl)} />
    </>
  )
}

const withImages = (url: string): string => `${url}${url.includes('?') ? '&' : '?'}images=1`

function toLine(message: Message, data: MessageDetail | undefined, own: string): string {
  const all = [...message.to, ...(data?.cc ?? [])]
  const first = all[0]
  if (!first) return t('noRecipient')
  if (all.length === 1 && first.address.toLowerCase() === own.toLowerCase()) return t('toMe')
  const names = all.slice(0, 3).map(personName).join(', ')
  return t('toLine', { names: all.length > 3 ? t('andMore', { names, n: all.length - 3 }) : names })
}

function Recipients({ message, data }: { readonly message: Message; readonly data: MessageDetail | undefined }) {
  const line = (label: string, people: readonly Address[]) =>
    people.length > 0 && (
      <>
        <dt>{label}</dt>
        <dd>
          {people.map((each) => (
            <span key={each.address} className="person">
              {each.name && `${each.name} `}
              <span>{`<${each.address}>`}</span>
            </span>
          ))}
        </dd>
      </>
    )
  return (
    <dl className="recipients">
      {line(t('from'), message.from)}
      {line(t('to'), message.to)}
      {line(t('cc'), data?.cc ?? [])}
      {line(t('reply'), data?.replyTo ?? [])}
      <dt>{t('date')}</dt>
      <dd>{fullDate(message.date ?? message.receivedAt)}</dd>
      <dt>{t('subject')}</dt>
      <dd>{message.subject || t('noSubject')}</dd>
    </dl>
  )
}
