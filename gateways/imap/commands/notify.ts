// NOTIFY (RFC 5465 §3).
import { BadCommand, Refused } from '../errors.ts'
import { type FetchItem, readItem, readItemName } from '../fetch-items.ts'
import {
  EVENTS,
  type EventGroup,
  type MailboxFilter,
  Notifications,
  type NotifyEvent,
  type NotifySet,
  type SelectedEvents,
} from '../notifications.ts'
import type { Session } from '../session.ts'
import type { Command, CommandArguments } from './command.ts'

const MAX_GROUPS = 100
const MAX_NAMES = 1_000

export const notify: Command = {
  name: 'NOTIFY',
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const what = args.word()
    if (what === 'NONE') {
      args.end()
      session.notifications = undefined
      return {}
    }
    if (what !== 'SET') throw new BadCommand('NOTIFY is SET or NONE')
    args.space()
    const status = args.peek() !== '('
    if (status) {
      if (args.word() !== 'STATUS') throw new BadCommand('Expected STATUS or groups of events')
      args.space()
    }
    const set = readSet(session, args)
    args.end()
    // What has happened so far is told as ever, before and by this command.
    session.notifications = await Notifications.begin(session, set)
    if (status) session.notifications.tellStatus(session)
    return {}
  },
}

interface Group {
  readonly filter: 'SELECTED' | 'SELECTED-DELAYED' | MailboxFilter
  readonly events: readonly Event[]
}
interface Event {
  readonly name: string
  readonly fetch: readonly FetchItem[] | undefined
}

function readSet(session: Session, args: CommandArguments): NotifySet {
  const groups: EventGroup[] = []
  let selected: SelectedEvents | undefined
  let names = 0
  do {
    const { filter, events } = readGroup(session, args)
    const known = checked(events)
    const [withFetch] = events.flatMap(({ fetch }) => (fetch ? [fetch] : []))
    if (typeof filter === 'string') {
      if (selected) throw new BadCommand('SELECTED and SELECTED-DELAYED are given once')
      if (known.has('MailboxName') || known.has('SubscriptionChange'))
        throw new BadCommand('Of the selected mailbox only events of messages are told')
      selected = { immediate: filter === 'SELECTED', events: known, fetch: withFetch ?? [] }
    } else {
      if (withFetch) throw new BadCommand('Items are fetched from the selected mailbox alone')
      if ('paths' in filter) names += filter.paths.length
      groups.push({ filter, events: known })
    }
    if (groups.length > MAX_GROUPS || names > MAX_NAMES)
      throw new Refused('These are too many mailboxes to follow one by one', 'NOTIFICATIONOVERFLOW')
  } while (args.taken(' '))
  return { selected, groups }
}

function readGroup(session: Session, args: CommandArguments): Group {
  args.expect('(')
  return args.nested(() => {
    const filter = readFilter(session, args)
    args.space()
    const events = args.peek() === '(' ? args.list(() => readEvent(args)) : none(args)
    args.expect(')')
    return { filter, events }
  })
}

function readFilter(session: Session, args: CommandArguments): Group['filter'] {
  const kind = args.word()
  switch (kind) {
    case 'SELECTED':
    case 'SELECTED-DELAYED':
      return kind
    case 'INBOXES':
    case 'PERSONAL':
    case 'SUBSCRIBED':
      return { kind }
    case 'SUBTREE':
    case 'MAILBOXES': {
      args.space()
      const name = () => session.nameIn(args.astring())
      return { kind, paths: args.peek() === '(' ? args.list(name) : [name()] }
    }
    default:
      throw new BadCommand(`There are no mailboxes ${kind.slice(0, 40)} to follow`)
  }
}

function none(args: CommandArguments): readonly Event[] {
  if (args.word() !== 'NONE') throw new BadCommand('Expected events, or NONE')
  return []
}

function readEvent(args: CommandArguments): Event {
  const name = args.atom()
  if (name.toLowerCase() !== 'messagenew' || args.peek() !== ' ') return { name, fetch: undefined }
  // The next event, or the items to fetch.
  if (!args.lookingAtSpaceThen('(')) return { name, fetch: undefined }
  args.space()
  return { name, fetch: args.list(() => readItem(args, readItemName(args))) }
}

/** RFC 5465 §5: arrivals and departures are told together, changes of flags never without them. */
function checked(events: readonly Event[]): ReadonlySet<NotifyEvent> {
  const known = new Set<NotifyEvent>()
  for (const { name } of events) {
    const event = EVENTS.find((each) => each.toLowerCase() === name.toLowerCase())
    if (!event) throw new Refused('Such events are not told', `BADEVENT (${EVENTS.join(' ')})`)
    known.add(event)
  }
  if (known.has('MessageNew') !== known.has('MessageExpunge'))
    throw new BadCommand('MessageNew and MessageExpunge go together')
  if (known.has('FlagChange') && !known.has('MessageNew'))
    throw new BadCommand('FlagChange needs MessageNew and MessageExpunge')
  return known
}
