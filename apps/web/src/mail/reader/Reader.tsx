// A conversation: the messages of a thread, oldest first, the newest and the unread ones open.

import { useEffect, useMemo, useRef, useState } from 'react'
import { useDesk, useMailbox } from '../../app/context.ts'
import { isUnread, type Message } from '../../data/types.ts'
import type { View } from '../../data/view.ts'
import { t } from '../../i18n/index.ts'
import { useCommand } from '../../keyboard/dispatcher.ts'
import { Button } from '../../ui/Button.tsx'
import { compose } from '../composer/composers.ts'
import { HistoryDrawer } from './HistoryDrawer.tsx'
import { MessageCard } from './MessageCard.tsx'
import { ReaderBar } from './ReaderBar.tsx'

const SEEN_AFTER_MS = 2000
/** More folded messages than this become one line. */
const FOLD_OVER = 4

interface ReaderProps {
  readonly messageId: string
  readonly view: View
  readonly single: boolean
  readonly onClose: () => void
  readonly open: (id: string) => void
}

export function Reader({ messageId, view, single, onClose, open }: ReaderProps) {
  const { mailbox, details, actions } = useDesk()
  const message = useMailbox((each) => each.message(messageId))
  const detail = useMailbox(() => details.get(messageId))
  const threadId = message?.threadId
  const ids = useMailbox((each) => (threadId === undefined ? undefined : each.threads.get(threadId)))
  useEffect(() => details.want(messageId), [details, messageId])
  useEffect(() => {
    if (threadId !== undefined) details.wantThread(threadId)
  }, [details, threadId])

  const [historyOf, setHistoryOf] = useState<string>()
  const thread = useThread(ids, messageId)
  const { isOpen, toggle, openAll } = useOpenMessages(thread, messageId, ids !== undefined)
  const [unfolded, setUnfolded] = useState(false)
  const pane = useRef<HTMLDivElement>(null)

  useSeenAfterAWhile(isUnreadId(message), () => actions.sawMessage(messageId))

  const step = (by: number) => {
    const cards = [...(pane.current?.querySelectorAll<HTMLElement>('[data-message]') ?? [])]
    const at = cards.findIndex((card) => card.contains(document.activeElement))
    const next = cards[Math.max(0, Math.min(cards.length - 1, at < 0 ? cards.length - 1 : at + by))]
    next?.focus()
    next?.scrollIntoView({ block: 'nearest' })
  }
  useCommand('thread-next', () => step(1))
  useCommand('thread-previous', () => step(-1))
  useCommand('expand-all', openAll)
  useCommand('history', () => setHistoryOf((now) => (now ? undefined : messageId)))
  const answer = (kind: 'reply' | 'reply-all' | 'forward') => () => void compose(kind, messageId, details, mailbox)
  useCommand('reply', answer('reply'))
  useCommand('reply-all', answer('reply-all'))
  useCommand('forward', answer('forward'))

  if (!message) {
    return (
      <div className="reader">
        <ReaderBar
          messageId={messageId}
          view={view}
          single={single}
          onClose={onClose}
          open={open}
          onHistory={() => {}}
        />
        {detail.error ? (
          <div className="nothing-open" role="alert">
            <h2>{detail.error.status === 404 ? t('messageGone') : t('bodyFailed')}</h2>
            <Button onClick={() => details.want(messageId, true)}>{t('retry')}</Button>
          </div>
        ) : (
          <BodyBones />
        )}
      </div>
    )
  }

  const folded = thread.filter((each) => !isOpen(each.id))
  const foldable = !unfolded && folded.length > FOLD_OVER
  const hidden = foldable ? folded.slice(1, -1) : []
  return (
    <div className="reader">
      <ReaderBar
        messageId={messageId}
        view={view}
        single={single}
        onClose={onClose}
        open={open}
        onHistory={() => setHistoryOf(messageId)}
      />
      <div className="reader-scroll" ref={pane}>
        <h1 className="reader-subject">{message.subject || t('noSubject')}</h1>
        <div className="thread">
          {thread.map((each) => {
            if (hidden.includes(each)) {
              return each === hidden[0] ? (
                <button key={each.id} type="button" className="older" onClick={() => setUnfolded(true)}>
                  {t('olderMessages', { n: hidden.length })}
                </button>
              ) : null
            }
            return (
              <MessageCard
                key={each.id}
                message={each}
                open={isOpen(each.id)}
                foldable={thread.length > 1}
                isMain={each.id === messageId}
                onToggle={() => toggle(each.id)}
                onHistory={() => setHistoryOf(each.id)}
              />
            )
          })}
        </div>
      </div>
      {historyOf && <HistoryDrawer messageId={historyOf} onClose={() => setHistoryOf(undefined)} />}
    </div>
  )
}

const isUnreadId = (message: Message | undefined): boolean => message !== undefined && isUnread(message)

/** The thread's messages as they are now; until it is known, the one message. */
function useThread(ids: readonly string[] | undefined, messageId: string): readonly Message[] {
  const { mailbox } = useDesk()
  const known = ids?.includes(messageId) ? ids : [...(ids ?? []), messageId]
  // One string stands for all rows, so that the list is made anew only when one of them is.
  const rows = useRef<readonly Message[]>([])
  const now = known.map(mailbox.message).filter((message): message is Message => message !== undefined)
  if (now.length !== rows.current.length || now.some((message, index) => message !== rows.current[index])) {
    rows.current = now.toSorted((a, b) => Date.parse(a.receivedAt) - Date.parse(b.receivedAt))
  }
  return rows.current
}

function useOpenMessages(thread: readonly Message[], messageId: string, known: boolean) {
  const [chosen, setChosen] = useState<ReadonlyMap<string, boolean>>(new Map())
  const latest = thread.at(-1)?.id
  // What was unread when the conversation was opened stays open after it is read.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once the thread is known, and never again for this message
  const start = useMemo(() => {
    const open = new Set<string>([messageId])
    if (known) for (const message of thread) if (isUnread(message) || message.id === latest) open.add(message.id)
    return open
  }, [known, messageId])
  const isOpen = (id: string) => chosen.get(id) ?? start.has(id)
  return {
    isOpen,
    toggle: (id: string) => setChosen(new Map(chosen).set(id, !isOpen(id))),
    openAll: () => setChosen(new Map(thread.map((message) => [message.id, true]))),
  }
}

/** Two seconds in sight count as read; a hidden tab does not. */
function useSeenAfterAWhile(unread: boolean, saw: () => void): void {
  const latest = useRef(saw)
  latest.current = saw
  // Marked unread by hand while open: that is meant.
  const done = useRef(false)
  useEffect(() => {
    if (!unread || done.current) return
    let timer: ReturnType<typeof setTimeout> | undefined
    const start = () => {
      clearTimeout(timer)
      if (document.hidden) return
      timer = setTimeout(() => {
        done.current = true
        latest.current()
      }, SEEN_AFTER_MS)
    }
    start()
    document.addEventListener('visibilitychange', start)
    return () => {
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', start)
    }
  }, [unread])
  useEffect(() => {
    if (!unread) done.current = true
  }, [unread])
}

export function BodyBones() {
  return (
    <div className="body-bones" role="status" aria-label={t('loading')}>
      <span className="bone line w6" />
      <span className="bone line w5" />
      <span className="bone line w4" />
      <span className="bone line w1" />
    </div>
  )
}
