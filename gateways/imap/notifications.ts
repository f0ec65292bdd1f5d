// NOTIFY (RFC 5465): what a client is told of mailboxes, selected or not, without asking. Told by comparing what was told last with what
// is so now: however much happens while a client does not read, it is one comparison.
import type { FolderRow } from '../../projections/queries.ts'
import type { FetchItem } from './fetch-items.ts'
import { DELIMITER, keyOf } from './names.ts'
import type { Place } from './places.ts'
import type { Session } from './session.ts'

export const EVENTS = ['MessageNew', 'MessageExpunge', 'FlagChange', 'MailboxName', 'SubscriptionChange'] as const
export type NotifyEvent = (typeof EVENTS)[number]

export type MailboxFilter =
  | { readonly kind: 'INBOXES' | 'PERSONAL' | 'SUBSCRIBED' }
  | { readonly kind: 'SUBTREE' | 'MAILBOXES'; readonly paths: readonly string[] }

export interface EventGroup {
  readonly filter: MailboxFilter
  /** None means that nothing is told of these mailboxes, whatever a later group says. */
  readonly events: ReadonlySet<NotifyEvent>
}

export interface SelectedEvents {
  /** Departures at once; otherwise with the next command that allows them. */
  readonly immediate: boolean
  readonly events: ReadonlySet<NotifyEvent>
  /** Told of every new message. */
  readonly fetch: readonly FetchItem[]
}

export interface NotifySet {
  readonly selected: SelectedEvents | undefined
  readonly groups: readonly EventGroup[]
}

interface Known {
  readonly path: string
  readonly subscribed: boolean
  readonly readable: boolean
  readonly folder: Pick<FolderRow, 'total' | 'unread' | 'uidNext' | 'uidValidity' | 'modseq'>
}

/** More mailboxes than this at once, and the client is told to look for itself. */
export const MAX_AT_ONCE = 1_000

export class Notifications {
  readonly set: NotifySet
  #told: ReadonlyMap<string, Known>

  private constructor(set: NotifySet, told: ReadonlyMap<string, Known>) {
    this.set = set
    this.#told = told
  }

  /** From here on changes count. */
  static async begin(session: Session, set: NotifySet): Promise<Notifications> {
    return new Notifications(set, knownOf(session, await session.places()))
  }

  /** RFC 5465 §3.1: the STATUS of every mailbox whose messages are followed, but the selected one. */
  tellStatus(session: Session): void {
    for (const [id, known] of this.#told) {
      const events = this.#eventsOf(known, session)
      if (!events?.has('MessageNew') || !known.readable || id === session.selected?.folderId) continue
      session.out.line(statusLine(session, known, { counts: true, unseen: events.has('FlagChange') }))
    }
  }

  /** Tells what has changed about mailboxes since the last time; false when it was too much. */
  async tell(session: Session): Promise<boolean> {
    if (this.set.groups.length === 0) return true
    const now = knownOf(session, await session.places())
    const before = this.#told
    this.#told = now
    const lines: string[] = []
    for (const [id, known] of before) if (!now.has(id)) lines.push(...this.#gone(session, known))
    for (const [id, known] of now) {
      const old = before.get(id)
      lines.push(...this.#names(session, known, old))
      if (old && id !== session.selected?.folderId) lines.push(...this.#messages(session, known, old))
    }
    if (lines.length > MAX_AT_ONCE) return false
    for (const line of lines) session.out.line(line)
    return true
  }

  #gone(session: Session, known: Known): readonly string[] {
    if (!this.#eventsOf(known, session)?.has('MailboxName')) return []
    return [`* LIST (\\NonExistent) "${DELIMITER}" ${session.nameOut(known.path)}`]
  }

  #names(session: Session, known: Known, old: Known | undefined): readonly string[] {
    const events = this.#eventsOf(known, session)
    const subscribed = known.subscribed ? '\\Subscribed' : ''
    const line = `* LIST (${subscribed}) "${DELIMITER}" ${session.nameOut(known.path)}`
    if (old === undefined) return events?.has('MailboxName') ? [line] : []
    // A mailbox that leaves what is followed is told under the name that it had there.
    const named = events?.has('MailboxName') || this.#eventsOf(old, session)?.has('MailboxName')
    if (old.path !== known.path && named) return [`${line} ("OLDNAME" (${session.nameOut(old.path)}))`]
    return old.subscribed !== known.subscribed && events?.has('SubscriptionChange') ? [line] : []
  }

  #messages(session: Session, known: Known, old: Known): readonly string[] {
    const events = this.#eventsOf(known, session)
    const { folder } = known
    if (!events || !known.readable || folder.modseq === old.folder.modseq) return []
    const counts = folder.total !== old.folder.total || folder.uidNext !== old.folder.uidNext
    const unseen = events.has('FlagChange')
    if (counts && events.has('MessageNew')) return [statusLine(session, known, { counts: true, unseen })]
    return unseen ? [statusLine(session, known, { counts: false, unseen })] : []
  }

  /** Those of the first group that the mailbox belongs to (RFC 5465 §6). */
  #eventsOf(known: Known, session: Session): ReadonlySet<NotifyEvent> | undefined {
    return this.set.groups.find(({ filter }) => isIn(known, filter, session))?.events
  }
}

function knownOf(session: Session, places: readonly Place[]): ReadonlyMap<string, Known> {
  return new Map(
    places.map(({ account, path, folder, rights }) => {
      const { total, unread, uidNext, uidValidity, modseq } = folder
      const subscribed = account !== session.accountId || folder.subscribed
      const readable = rights.includes('r')
      return [folder.id, { path, subscribed, readable, folder: { total, unread, uidNext, uidValidity, modseq } }]
    }),
  )
}

function isIn({ path, subscribed }: Known, filter: MailboxFilter, session: Session): boolean {
  const key = keyOf(path)
  switch (filter.kind) {
    case 'INBOXES':
      return path === 'INBOX'
    case 'PERSONAL':
      return !session.isOthers(path)
    case 'SUBSCRIBED':
      return subscribed
    case 'SUBTREE':
      return filter.paths.some((each) => key === keyOf(each) || key.startsWith(keyOf(`${each}${DELIMITER}`)))
    case 'MAILBOXES':
      return filter.paths.some((each) => key === keyOf(each))
    default: {
      const _: never = filter
      return _
    }
  }
}

/** RFC 5465 §5.1 to §5.3: which numbers tell of which events. */
function statusLine(
  session: Session,
  { path, folder }: Known,
  { counts, unseen }: { readonly counts: boolean; readonly unseen: boolean },
): string {
  const items = [
    ...(counts ? [`MESSAGES ${folder.total}`, `UIDNEXT ${folder.uidNext}`] : []),
    `UIDVALIDITY ${folder.uidValidity}`,
    ...(unseen ? [`UNSEEN ${folder.unread}`] : []),
    ...(session.condstore ? [`HIGHESTMODSEQ ${folder.modseq}`] : []),
  ]
  return `* STATUS ${session.nameOut(path)} (${items.join(' ')})`
}
