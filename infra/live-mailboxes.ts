// Keeps the mailboxes that mail programs look at as new as the log: what this process appends is folded in at once, what others
// append when the views tell of it.
import { accountOfStream } from '../domain/log.ts'
import { MAILBOX_EVENT_TYPES, type MailboxEvent } from '../domain/mailbox/mailbox.ts'
import { type Announced, LiveMailboxes, type LivePorts } from '../gateways/imap/live-mailbox.ts'
import type { Appended, SealedJournal } from './adapters/journal/sealed-journal.ts'
import type { Projectors } from './projector/projectors.ts'

const TYPES: ReadonlySet<string> = new Set(MAILBOX_EVENT_TYPES)

export function liveMailboxes(
  journal: Pick<SealedJournal, 'readStream' | 'onAppended' | 'atomic'>,
  projectors: Pick<Projectors, 'mailbox' | 'waitForRevision' | 'onApplied'>,
): { readonly live: LiveMailboxes; close(): void } {
  const ports: LivePorts = {
    source: journal,
    mailbox: projectors.mailbox,
    snapshots: projectors.mailbox,
    alone: journal.atomic,
    waitForRevision: (account, revision, options) => projectors.waitForRevision(account, revision, options),
  }
  const live = new LiveMailboxes(ports)
  const stops = [
    journal.onAppended((appended) => {
      if (!appended.stream.startsWith('mailbox-')) return
      const account = accountOfStream(appended.stream)
      if (account !== undefined) live.announce(account, appended.revision, announced(appended))
    }),
    projectors.onApplied((mailboxes) => {
      for (const [account, revision] of mailboxes) live.announce(account, revision)
    }),
  ]
  return { live, close: () => stops.forEach((stop) => void stop()) }
}

/** Of several events only the last one's position is known. */
function announced({ events, revision, position }: Appended): readonly Announced[] {
  const first = revision - BigInt(events.length - 1)
  return events.flatMap((event, i): readonly Announced[] =>
    TYPES.has(event.type)
      ? [
          {
            revision: first + BigInt(i),
            event: event as MailboxEvent,
            position: i === events.length - 1 ? position : undefined,
          },
        ]
      : [],
  )
}
