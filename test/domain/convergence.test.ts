// Several clients at one mailbox, each deciding on what it last saw: the log they leave folds to one state and keeps IMAP's promises.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { uidOf } from '../../domain/log.ts'
import {
  decide,
  emptyMailbox,
  evolve,
  type Mailbox,
  type MailboxCommand,
  type MailboxEvent,
} from '../../domain/mailbox/mailbox.ts'
import { mailboxEvent } from '../projections/arbitrary.ts'
import { opened, received } from './aggregates.ts'

const FOLDERS = ['inbox', 'archive', 'trash', 'f0', 'f1', 'f2', 'f3', 'nowhere']
const MESSAGES = Array.from({ length: 10 }, (_, i) => `m${i}`)
const SEED = { seed: 42, numRuns: 300 }

type Step =
  | { readonly kind: 'refresh'; readonly client: number }
  | { readonly kind: 'arrive'; readonly messageId: string; readonly folderId: string }
  | { readonly kind: 'command'; readonly client: number; readonly command: MailboxCommand }

const folder = fc.constantFrom(...FOLDERS)
const name = fc.constantFrom('Alpha', 'alpha', 'Beta', 'Gamma', 'INBOX')
const parent = fc.option(folder)
const ids = fc.uniqueArray(fc.constantFrom(...MESSAGES), { minLength: 1, maxLength: 4 })
const flags = fc.uniqueArray(fc.constantFrom('\\seen', '\\flagged', '\\deleted', 'todo'), { maxLength: 3 })
const command: fc.Arbitrary<MailboxCommand> = fc.oneof(
  fc.record({ type: fc.constant('CreateFolder' as const), folderId: folder, name, parentId: parent }),
  fc.record({ type: fc.constant('RenameFolder' as const), folderId: folder, name }),
  fc.record({ type: fc.constant('MoveFolder' as const), folderId: folder, parentId: parent }),
  fc.record({ type: fc.constant('DeleteFolder' as const), folderId: folder }),
  fc.record({ type: fc.constant('ChangeFlags' as const), messageIds: ids, add: flags, remove: flags }),
  fc.record({ type: fc.constant('MoveMessages' as const), messageIds: ids, folderId: folder }),
  fc.record({
    type: fc.constant('CopyMessages' as const),
    copies: fc.array(
      fc.record({ messageId: fc.constantFrom(...MESSAGES), copyId: fc.constantFrom('c0', 'c1', 'c2', 'c3') }),
      { minLength: 1, maxLength: 2 },
    ),
    folderId: folder,
  }),
  fc.record({ type: fc.constant('DeleteMessages' as const), messageIds: ids }),
  fc.record({ type: fc.constant('ExpungeMessages' as const), messageIds: ids }),
  fc.record({ type: fc.constant('RestoreMessages' as const), messageIds: ids }),
)
const client = fc.nat(2)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('refresh' as const), client }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('arrive' as const),
      messageId: fc.constantFrom(...MESSAGES),
      folderId: folder,
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('command' as const), client, command }) },
)

const aboutFolders = ({ type }: MailboxCommand) => type.endsWith('Folder')
const fold = (events: readonly MailboxEvent[], from: Mailbox = emptyMailbox, at = 0) =>
  events.reduce((state, event, i) => evolve(state, event, BigInt(at + i)), from)

/** The log that the clients leave: a folder change is appended only by who has seen everything, as commands/change-mailbox does. */
function play(steps: readonly Step[]): readonly MailboxEvent[] {
  const log: MailboxEvent[] = [...opened]
  const seen = [0, 1, 2].map(() => ({ state: fold(log), length: log.length }))
  for (const each of steps) {
    if (each.kind === 'arrive') {
      log.push(received(each.messageId, each.folderId))
      continue
    }
    const mine = seen[each.client] as { state: Mailbox; length: number }
    const stale = each.kind === 'command' && !(aboutFolders(each.command) && mine.length !== log.length)
    if (!stale) {
      mine.state = fold(log.slice(mine.length), mine.state, mine.length)
      mine.length = log.length
    }
    if (each.kind === 'refresh') continue
    const decision = decide(each.command, mine.state)
    if ('events' in decision) log.push(...decision.events)
  }
  return log
}

describe('any interleaving of several clients', () => {
  it('folds to the same state however the log is cut, and again when replayed', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60, size: 'max' }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (steps, cuts) => {
          const log = play(steps)
          const whole = fold(log)
          let state = emptyMailbox
          for (let at = 0, cut = 0; at < log.length; cut++) {
            const length = cuts[cut % cuts.length] as number
            state = fold(log.slice(at, at + length), state, at)
            at += length
          }
          assert.deepEqual(state, whole)
        },
      ),
      SEED,
    )
  })

  it('gives ascending UIDs that are never reused, MODSEQs that only grow, and constant UIDVALIDITY', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const log = play(steps)
        const highest = new Map<string, number>()
        const given = new Map<string, Set<number>>()
        const validity = new Map<string, bigint>()
        let state = emptyMailbox
        for (const [i, event] of log.entries()) {
          const before = state
          state = evolve(state, event, BigInt(i))
          for (const [id, { createdAt }] of state.folders) {
            assert.equal(validity.get(id) ?? createdAt, createdAt, 'UIDVALIDITY is constant while the folder lives')
            validity.set(id, createdAt)
          }
          for (const id of before.folders.keys()) if (!state.folders.has(id)) validity.delete(id)
          for (const message of state.messages.values()) {
            const old = before.messages.get(message.id)
            if (old === message) continue
            if (old) assert.ok(message.changedAt > old.changedAt, 'MODSEQ grows with every change')
            assert.ok([...before.messages.values()].every(({ changedAt }) => message.changedAt > changedAt))
            const arrived = !old || old.arrivedAt !== message.arrivedAt
            if (old && (old.folderId !== message.folderId || old.expunged !== message.expunged) && !message.expunged)
              assert.ok(arrived, 'coming into a folder, or back, gives a new UID')
            if (!arrived) continue
            const uid = uidOf(message.arrivedAt)
            assert.ok(uid > 0 && uid <= 0xffffffff)
            assert.ok(uid > (highest.get(message.folderId) ?? 0), 'UIDs strictly ascend in a folder')
            highest.set(message.folderId, uid)
            const known = given.get(message.folderId) ?? new Set<number>()
            assert.ok(!known.has(uid))
            given.set(message.folderId, known.add(uid))
          }
        }
      }),
      SEED,
    )
  })

  it('loses and doubles no message: each that arrived or was copied is there once, alive or expunged', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const log = play(steps)
        const state = fold(log)
        for (const event of log)
          if (event.type === 'MessageReceived') assert.ok(state.messages.has(event.data.messageId))
        for (const message of state.messages.values()) {
          if (!message.expunged)
            assert.ok(state.folders.has(message.folderId), 'a living message is in a folder that exists')
        }
        const expunges = new Set(log.flatMap((e) => (e.type === 'MessagesExpunged' ? e.data.messageIds : [])))
        const deletions = log.some((event) => event.type === 'FolderDeleted')
        for (const message of state.messages.values())
          if (message.expunged) assert.ok(expunges.has(message.id) || deletions, 'nothing goes but by being expunged')
      }),
      SEED,
    )
  })

  it('never leaves a cycle of folders, an orphan, or two siblings of one name', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const state = fold(play(steps))
        const names = new Set<string>()
        for (const folder of state.folders.values()) {
          const key = `${folder.parentId}/${folder.name.toLowerCase()}`
          assert.ok(!names.has(key), `two folders ${key}`)
          names.add(key)
          const above = new Set<string>()
          for (let id: string | null = folder.id; id !== null; id = state.folders.get(id)?.parentId ?? null) {
            assert.ok(state.folders.has(id), 'every parent exists')
            assert.ok(!above.has(id), 'no cycle')
            above.add(id)
          }
        }
      }),
      SEED,
    )
  })

  it('folds a repeated arrival as none', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), fc.nat(), (steps, pick) => {
        const log = play(steps)
        const arrivals = log.filter((event) => event.type === 'MessageReceived')
        const again = arrivals[pick % Math.max(1, arrivals.length)]
        if (!again) return
        const state = fold(log)
        assert.equal(evolve(state, again, BigInt(log.length)), state)
      }),
      SEED,
    )
  })
})

describe('evolve', () => {
  it('is total: senseless events change nothing or something, and never throw', () => {
    fc.assert(
      fc.property(fc.array(mailboxEvent, { maxLength: 80, size: 'max' }), (events) => {
        let state = emptyMailbox
        for (const [i, event] of events.entries()) {
          state = evolve(state, event as MailboxEvent, BigInt(i))
          for (const message of state.messages.values())
            assert.deepEqual(message.flags, [...new Set(message.flags)].sort(), 'flags are sorted, without doubles')
        }
      }),
      SEED,
    )
  })
  it('changes no state that it was given', () => {
    fc.assert(
      fc.property(fc.array(mailboxEvent, { maxLength: 40, size: 'max' }), mailboxEvent, (events, last) => {
        const state = fold(events as MailboxEvent[])
        const copy = structuredClone(state)
        evolve(state, last as MailboxEvent, 99n)
        assert.deepEqual(state, copy)
      }),
      SEED,
    )
  })
})
