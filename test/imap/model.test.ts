// Two clients do what comes to mind; whatever they are told must add up to what the mailbox is.

import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { ImapClient, type Reply } from '../support/imap-client.ts'
import { MailAccess, PASSWORD } from '../support/mail-access.ts'
import { randomFrom } from '../support/random.ts'

let access: MailAccess
before(async () => {
  access = await MailAccess.start()
})
after(() => access.close())

/** What a folder holds by RFC 9051: UIDs with their flags. */
type Folder = Map<number, Set<string>>

/** What one client has been told: UID (0 for one it has not asked for yet) and flags by sequence number. */
class View {
  readonly client: ImapClient
  /** What this client calls a mailbox of the owner. */
  readonly path: (name: string) => string
  known: { uid: number; flags: string }[] = []
  /** UIDs of messages without \Flagged, as a search that is kept up to date tells it (RFC 5267). */
  readonly unflagged = new Set<number>()
  constructor(client: ImapClient, path: (name: string) => string) {
    this.client = client
    this.path = path
  }

  async run(command: string, ...literals: readonly string[]): Promise<Reply> {
    const reply = await this.client.send(command, ...literals)
    this.hear(reply.lines)
    return reply
  }

  hear(lines: readonly string[]): void {
    for (const line of lines) {
      const exists = /^\* (\d+) EXISTS/.exec(line)
      const expunged = /^\* (\d+) EXPUNGE/.exec(line)
      const update = /^\* ESEARCH \(TAG "T\d+"\) UID (ADDTO|REMOVEFROM) \(0 (\S+)\)$/.exec(line)
      if (update) {
        for (const uid of numbers(update[2] ?? '')) {
          const changed: boolean = update[1] === 'ADDTO' ? !this.unflagged.has(uid) : this.unflagged.delete(uid)
          assert.ok(changed, `an update that changes nothing: ${line}`)
          if (update[1] === 'ADDTO') this.unflagged.add(uid)
        }
      }
      const fetched = /^\* (\d+) FETCH \((.*)\)$/s.exec(line)
      if (exists) {
        assert.ok(Number(exists[1]) >= this.known.length, 'EXISTS never shrinks a mailbox')
        while (this.known.length < Number(exists[1])) this.known.push({ uid: 0, flags: '' })
      } else if (expunged) {
        assert.ok(Number(expunged[1]) <= this.known.length, 'only what exists is expunged')
        this.known.splice(Number(expunged[1]) - 1, 1)
      } else if (fetched) {
        const entry = this.known[Number(fetched[1]) - 1]
        assert.ok(entry, `FETCH of a message that does not exist: ${line}`)
        const uid = /UID (\d+)/.exec(fetched[2] ?? '')?.[1]
        const flags = /FLAGS \(([^)]*)\)/.exec(fetched[2] ?? '')?.[1]
        if (uid) {
          assert.ok(entry.uid === 0 || entry.uid === Number(uid), 'a sequence number keeps its UID')
          entry.uid = Number(uid)
        }
        if (flags !== undefined) entry.flags = spell(flags.split(' '))
      }
    }
  }
}

const spell = (flags: Iterable<string>): string =>
  [...flags]
    .map((flag) => flag.toLowerCase())
    .filter((flag) => flag !== '')
    .sort()
    .join(' ')

const FLAGS = ['\\Seen', '\\Flagged', '\\Answered', '\\Deleted', 'Work', '$Forwarded']

/** `shared`: the second client is somebody else, with rights on the first one's mailboxes. */
async function play(t: TestContext, seed: number, steps: number, shared: boolean): Promise<void> {
  const random = randomFrom(seed)
  const name = await access.person()
  const port = await access.imap(t)
  const other = shared ? await access.person() : name
  const owner = new View(await ImapClient.signedIn(port, name, PASSWORD), (mailbox) => mailbox)
  if (shared)
    for (const mailbox of ['INBOX', 'Archive']) await owner.client.ok(`SETACL ${mailbox} ${other}@example.test lrswite`)
  const theirs = (mailbox: string) => (shared ? `"Other Users/${name}@example.test/${mailbox}"` : mailbox)
  const views = [owner, new View(await ImapClient.signedIn(port, other, PASSWORD), theirs)]
  const inbox: Folder = new Map()
  let archived = 0
  for (const view of views) {
    view.hear((await view.client.ok(`SELECT ${view.path('INBOX')}`)).lines)
    await view.client.ok('UID SEARCH RETURN (UPDATE COUNT) UNFLAGGED')
  }
  const learn = async (view: View) => {
    await view.run('NOOP')
    await view.run('FETCH 1:* (UID FLAGS)')
  }
  const check = (view: View) => {
    const told = view.known.map(({ uid, flags }) => [uid, flags])
    const is = [...inbox].sort(([a], [b]) => a - b).map(([uid, flags]) => [uid, spell(flags)])
    assert.deepEqual(told, is, `seed ${seed}`)
    const unflagged = [...inbox].filter(([, flags]) => !flags.has('\\Flagged')).map(([uid]) => uid)
    assert.deepEqual(
      [...view.unflagged].sort((a, b) => a - b),
      unflagged.sort((a, b) => a - b),
      `seed ${seed}`,
    )
  }
  for (let step = 0; step < steps; step++) {
    const view = views[random(2)] as View
    const here = [...inbox.keys()].sort((a, b) => a - b)
    const some = here.filter(() => random(3) === 0)
    const set = some.join(',')
    switch (random(9)) {
      case 0:
      case 1: {
        const flags = FLAGS.filter(() => random(4) === 0)
        const { text } = await view.run(
          `APPEND ${view.path('INBOX')} (${flags.join(' ')}) {}`,
          `Subject: ${step}\r\n\r\nbody ${step}\r\n`,
        )
        const uid = Number(/APPENDUID \d+ (\d+)/.exec(text)?.[1])
        assert.ok(uid > Math.max(0, ...here), 'UIDs ascend')
        inbox.set(uid, new Set(flags))
        break
      }
      case 2:
      case 3: {
        if (some.length === 0) break
        const flags = FLAGS.filter(() => random(3) === 0)
        const sign = ['+', '-', ''][random(3)] ?? ''
        const silent = random(2) === 0 ? '.SILENT' : ''
        const { status } = await view.run(`UID STORE ${set} ${sign}FLAGS${silent} (${flags.join(' ')})`)
        assert.equal(status, 'OK')
        for (const uid of some) {
          const own = inbox.get(uid) as Set<string>
          if (sign === '') inbox.set(uid, new Set(flags))
          else for (const flag of flags) sign === '+' ? own.add(flag) : own.delete(flag)
        }
        // A client that asked for silence knows what it did.
        if (silent !== '') await view.run(`UID FETCH ${set} FLAGS`)
        break
      }
      case 4: {
        assert.equal((await view.run('EXPUNGE')).status, 'OK')
        for (const [uid, flags] of inbox) if (flags.has('\\Deleted')) inbox.delete(uid)
        break
      }
      case 5: {
        if (some.length === 0) break
        const { lines } = await view.run(`UID MOVE ${set} ${view.path('Archive')}`)
        assert.ok(lines.some((line) => line.includes('COPYUID')))
        for (const uid of some) inbox.delete(uid)
        archived += some.length
        break
      }
      case 6: {
        if (some.length === 0) break
        const { text } = await view.run(`UID COPY ${set} ${view.path('INBOX')}`)
        const copied = /COPYUID \d+ (\S+) (\S+)\]/.exec(text)
        const from = numbers(copied?.[1] ?? '')
        const to = numbers(copied?.[2] ?? '')
        assert.deepEqual(from, some)
        for (const [i, uid] of to.entries()) inbox.set(uid, new Set(inbox.get(from[i] as number)))
        break
      }
      case 7: {
        const old = some[0]
        if (old === undefined) break
        const { lines } = await view.run(
          `UID REPLACE ${old} ${view.path('INBOX')} (\\Seen) {}`,
          `Subject: new ${step}\r\n\r\nnew\r\n`,
        )
        const uid = Number(/APPENDUID \d+ (\d+)/.exec(lines.join())?.[1])
        assert.ok(uid > Math.max(0, ...here), 'a replacement is a new message')
        inbox.delete(old)
        inbox.set(uid, new Set(['\\Seen']))
        break
      }
      default:
        await learn(view)
        check(view)
    }
  }
  for (const view of views) {
    await learn(view)
    check(view)
  }
  const { lines } = await (views[0] as View).client.ok('STATUS Archive (MESSAGES)')
  assert.equal(lines[0], `* STATUS Archive (MESSAGES ${archived})`)
  const { lines: status } = await (views[1] as View).client.ok(`STATUS ${theirs('INBOX')} (MESSAGES UNSEEN DELETED)`)
  const unseen = [...inbox.values()].filter((flags) => !flags.has('\\Seen')).length
  const deleted = [...inbox.values()].filter((flags) => flags.has('\\Deleted')).length
  assert.equal(status[0], `* STATUS ${theirs('INBOX')} (MESSAGES ${inbox.size} UNSEEN ${unseen} DELETED ${deleted})`)
  for (const view of views) view.client.close()
}

const numbers = (set: string): readonly number[] =>
  set.split(',').flatMap((part) => {
    const [from = 0, to = from] = part.split(':').map(Number)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })

describe('two clients on one mailbox', () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) it(`are told what is so (seed ${seed})`, (t) => play(t, seed, 60, false))
  for (const seed of [7, 8, 9])
    it(`are so when it is shared between accounts (seed ${seed})`, (t) => play(t, seed, 60, true))
})
