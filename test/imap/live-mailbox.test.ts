// What mail programs are shown from the log's tail is what the mailbox view shows once it is there: two implementations, one truth.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { EverpostEvent } from '../../domain/events.ts'
import { mailboxStream, type Revision } from '../../domain/log.ts'
import { MAILBOX_EVENT_TYPES, type MailboxEvent } from '../../domain/mailbox/mailbox.ts'
import { LiveMailboxes } from '../../gateways/imap/live-mailbox.ts'
import { MemoryMailbox } from '../../infra/adapters/views/memory-mailbox.ts'
import { mailboxProjector } from '../../projections/mailbox/projector.ts'
import type { MailboxQueries, UidRow } from '../../projections/queries.ts'
import { project } from '../../projections/runtime.ts'
import { FOLDERS, MESSAGES, mailboxEvent } from '../projections/arbitrary.ts'
import { MemoryLog } from '../projections/log.ts'

const ACCOUNT = 'aaaaaaaaaaaaaaaaaaaaaaaaaa'
const STREAM = mailboxStream(ACCOUNT)
const TYPES: ReadonlySet<string> = new Set(MAILBOX_EVENT_TYPES)

/** A view that applies as many events as it is told, when it is told. */
class View {
  readonly store = new MemoryMailbox()
  readonly #projection = project(mailboxProjector, this.store)
  readonly #log: MemoryLog
  #applied = 0

  constructor(log: MemoryLog) {
    this.#log = log
  }
  async advance(events: number): Promise<void> {
    const batch = this.#log.events.slice(this.#applied, this.#applied + events)
    const last = batch.at(-1)
    if (last === undefined) return
    this.#applied += batch.length
    await this.#projection.handle(batch, last.position)
  }
  async shows(revision: Revision): Promise<void> {
    while (BigInt(this.#applied) <= revision && this.#applied < this.#log.events.length) await this.advance(1)
  }
}

/** Queries between which others write and the view goes on, as in a server. */
function moving(view: View, meanwhile: () => Promise<void>): MailboxQueries {
  return new Proxy(view.store.queries, {
    get: (queries, name: keyof MailboxQueries) => {
      const query = queries[name] as (...args: unknown[]) => Promise<unknown>
      return async (...args: unknown[]) => {
        const answer = await query(...args)
        await meanwhile()
        return answer
      }
    },
  })
}

/** What commands let through: an id arrives once, a folder is made before it is used, and what is asked for is mostly there. */
function sensible(event: EverpostEvent, ids: string[], made: Set<string>): EverpostEvent {
  const fresh = () => {
    ids.push(`message-${ids.length}`)
    return ids.at(-1) as string
  }
  const known = (id: string) => ids.at(-1 - (MESSAGES.indexOf(id) % Math.max(1, ids.length))) ?? id
  const { folderId } = event.data as { folderId?: string }
  if (event.type === 'FolderCreated') {
    const { folderId: id, name } = event.data
    if (made.has(id)) return { type: 'FolderRenamed', data: { folderId: id, name } }
    made.add(id)
  } else if (folderId !== undefined && !made.has(folderId))
    return sensible({ ...event, data: { ...event.data, folderId: 'inbox' } } as EverpostEvent, ids, made)
  switch (event.type) {
    case 'MessageReceived':
    case 'MessageAppended':
      return { ...event, data: { ...event.data, messageId: fresh() } } as EverpostEvent
    case 'MessageCopied': {
      const messageId = known(event.data.messageId)
      return { ...event, data: { ...event.data, messageId, copyId: fresh() } }
    }
    case 'MessageMoved':
    case 'MessageRestored':
      return { ...event, data: { ...event.data, messageId: known(event.data.messageId) } } as EverpostEvent
    case 'FlagsChanged':
    case 'MessagesExpunged':
      return {
        ...event,
        data: { ...event.data, messageIds: [...new Set(event.data.messageIds.map(known))] },
      } as EverpostEvent
    default:
      return event
  }
}

const step = fc.record({
  event: mailboxEvent,
  /** How a session learns of it: with the event, with its revision alone, or not before the next. */
  told: fc.constantFrom('event', 'event', 'revision', 'later'),
  /** Events that the view applies then. */
  applied: fc.constantFrom(0, 0, 0, 1, 5),
  /** What others append and the view applies, one between every two questions that a look asks it. */
  meanwhile: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(mailboxEvent, { maxLength: 5 })),
  /** Folders that a session looks at then. */
  looks: fc.subarray([...FOLDERS], { maxLength: 2 }),
})

test('the rows and counts of sessions are those of the view, wherever the view is meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), async (steps) => {
      const log = new MemoryLog()
      for (const folderId of FOLDERS.slice(0, 3)) {
        const role = folderId === 'inbox' ? 'inbox' : null
        log.append(STREAM, { type: 'FolderCreated', data: { folderId, name: folderId, parentId: null, role } })
      }
      const view = new View(log)
      const truth = new View(log)
      await view.advance(3)
      const ids: string[] = []
      const made = new Set<string>(FOLDERS.slice(0, 3))
      const others: EverpostEvent[] = []
      const mailbox = moving(view, async () => {
        const event = others.shift()
        if (event === undefined) return
        const { revision } = log.append(STREAM, sensible(event, ids, made))
        await view.shows(revision)
        live.announce(ACCOUNT, revision)
      })
      const live = new LiveMailboxes({
        source: log,
        mailbox,
        snapshots: mailbox,
        waitForRevision: (_account, revision) => view.shows(revision),
      })
      for (const { event, told, applied, looks, meanwhile } of steps) {
        const { revision, position, ...recorded } = log.append(STREAM, sensible(event, ids, made))
        assert.ok(TYPES.has(recorded.type))
        const announced = [{ revision, event: recorded as unknown as MailboxEvent, position }]
        if (told === 'event') live.announce(ACCOUNT, revision, announced)
        else if (told === 'revision' || looks.length > 0) live.announce(ACCOUNT, revision)
        await view.advance(applied)
        others.push(...meanwhile)
        for (const folderId of looks) {
          // The mailbox that nobody has used yet knows of nothing new.
          const mailbox = live.of(ACCOUNT)
          mailbox.announce(revision)
          await mailbox.index(folderId)
          others.length = 0
          const index = await mailbox.index(folderId)
          await truth.shows(mailbox.revision)
          const folders = await truth.store.queries.folders(ACCOUNT)
          assert.deepEqual(mailbox.folders, folders)
          const rows = await truth.store.queries.uidRange(ACCOUNT, folderId, {})
          const shown = index && Array.from({ length: index.count }, (_, place) => plain(index.row(place)))
          assert.deepEqual(shown ?? [], rows)
        }
        others.length = 0
      }
    }),
    { numRuns: 500 },
  )
})

const plain = ({ id, uid, modseq, flags, receivedAt, date, size, position }: UidRow): UidRow => {
  return { id, uid, modseq, flags, receivedAt, date, size, position }
}
