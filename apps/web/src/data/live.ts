// The live link: every change of the mailbox after the last one folded, over one WebSocket, resumed after every break.

import { createClient } from 'graphql-ws'
import { CHANGES } from './documents.ts'
import type { Mailbox } from './mailbox.ts'
import type { MailboxChange } from './types.ts'

const LONGEST_WAIT = 15_000

/** Keeps the mailbox live until the returned function is called. */
export function keepLive(mailbox: Mailbox, onLive: () => void): () => void {
  let stopped = false
  let attempts = 0
  let wake: (() => void) | undefined
  let dispose: (() => void) | undefined
  let queue: MailboxChange[] = []
  let flushing = false

  const flush = () => {
    flushing = false
    const changes = queue
    queue = []
    if (changes.length > 0 && !stopped) mailbox.fold(changes)
  }
  // Many changes in a burst are one repaint; a hidden tab has no animation frames.
  const schedule = () => {
    if (flushing) return
    flushing = true
    if (document.hidden) setTimeout(flush, 50)
    else requestAnimationFrame(flush)
  }
  const setLink = (link: Mailbox['link']) => {
    if (mailbox.link === link) return
    mailbox.link = link
    mailbox.emit()
  }

  const once = () =>
    new Promise<void>((resolve) => {
      const client = createClient({
        url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
        retryAttempts: 0,
        keepAlive: 10_000,
        on: {
          connected: () => {
            attempts = 0
            setLink('live')
            onLive()
          },
          closed: () => resolve(),
        },
      })
      dispose = () => {
        void client.dispose()
        resolve()
      }
      client.subscribe<{ mailboxChanged: MailboxChange }>(
        { query: CHANGES, variables: { after: mailbox.revision } },
        {
          next: ({ data }) => {
            if (!data) return
            queue.push(data.mailboxChanged)
            schedule()
          },
          error: () => resolve(),
          complete: () => resolve(),
        },
      )
    })

  const run = async () => {
    while (!stopped) {
      await once()
      dispose?.()
      flush()
      if (stopped) return
      setLink('offline')
      attempts++
      const wait = Math.min(LONGEST_WAIT, 250 * 2 ** Math.min(attempts, 6)) * (0.75 + Math.random() / 2)
      await new Promise<void>((resolve) => {
        wake = resolve
        setTimeout(resolve, wait)
      })
    }
  }
  const online = () => wake?.()
  const offline = () => dispose?.()
  window.addEventListener('online', online)
  window.addEventListener('offline', offline)
  void run()
  return () => {
    stopped = true
    window.removeEventListener('online', online)
    window.removeEventListener('offline', offline)
    dispose?.()
    wake?.()
  }
}
