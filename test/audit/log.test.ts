// The whole log: what was done to it behind the server's back is found and named.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { auditStream, isRedacted } from '../../domain/log.ts'
import { runAlone } from '../../gateways/cli/run.ts'
import { startDailyHead } from '../../infra/audit/daily-head.ts'
import { VERIFY_TOOLS } from '../../infra/audit/verify-tools.ts'
import { dataPaths } from '../../infra/config.ts'
import type { Everpost } from '../../infra/open-everpost.ts'
import { temporaryFolder } from '../support/folders.ts'
import { ADDRESS, deliver, forgetTree, harmed, openOn, openPerson, type Ran, verb } from './mailbox.ts'

const cleanups: (() => unknown)[] = []
const folder = temporaryFolder()
const data = join(folder, 'data')
let checkpoint = ''
let copies = 0

before(async () => {
  const everpost = await openOn(data)
  await deliver(everpost, await openPerson(everpost), 8)
  const signed = await verb(everpost, 'audit verify', ['--sign', '--json'], folder)
  checkpoint = signed.json().signed.checkpoint
  writeFileSync(join(folder, 'checkpoint'), checkpoint)
  // So that the tree remembers the head too.
  await everpost.audit.follow()
  await everpost.close()
})
after(() => cleanups.forEach((clean) => void clean()))

async function on<T>(path: string, use: (everpost: Everpost) => Promise<T>): Promise<T> {
  const everpost = await openOn(path)
  try {
    return await use(everpost)
  } finally {
    await everpost.close()
  }
}

const verifyHarmed = (
  harm: (log: DatabaseSync) => void,
  argv: readonly string[] = [],
  before = (_: string) => {},
): Promise<Ran> => {
  const copy = harmed(data, join(folder, `copy-${copies++}`), harm)
  before(copy)
  return on(copy, (everpost) => verb(everpost, 'audit verify', [...argv, '--json'], folder))
}

/** Position and id of the fifth arrival. */
const VICTIM = `SELECT position FROM event WHERE type = (SELECT id FROM type WHERE name = 'MessageReceived') ORDER BY position LIMIT 1 OFFSET 4`
const victim = (log: DatabaseSync) => Number(log.prepare(VICTIM).get()?.['position'])

function flip(log: DatabaseSync, column: 'data' | 'metadata', position: number): void {
  const bytes = log.prepare(`SELECT ${column} AS bytes FROM event WHERE position = ?`).get(position)?.[
    'bytes'
  ] as Uint8Array
  bytes[bytes.length - 2] = (bytes[bytes.length - 2] ?? 0) ^ 1
  log.prepare(`UPDATE event SET ${column} = ? WHERE position = ?`).run(bytes, position)
}

/** Streams end where their events do. */
function shorten(log: DatabaseSync): void {
  const last = 'SELECT max(revision) FROM event WHERE event.stream = stream.id'
  log.exec(`UPDATE stream SET revision = coalesce((${last}), -1)`)
  log.exec('DELETE FROM stream WHERE revision < 0')
}

describe('everpost audit verify', () => {
  it('finds a log whole that is', async () => {
    await on(data, async (everpost) => {
      const ran = await verb(everpost, 'audit verify', ['--blobs', 'all', '--since', 'checkpoint', '--json'], folder)
      assert.equal(ran.err, '')
      assert.equal(ran.code, 0)
      const verdict = ran.json()
      assert.deepEqual(
        [verdict.ok, verdict.tree.compared, verdict.heads.checked, verdict.checkpoints, verdict.blobs.checked],
        [true, verdict.events, 1, 1, 8],
      )
      assert.equal(statSync(dataPaths(data).auditKey).mode & 0o777, 0o600)
      assert.match(
        (await verb(everpost, 'audit key', [], folder)).out,
        /^example\.test\/everpost\+[0-9a-f]{8}\+\S{44}\n$/,
      )
    })
  })

  for (const column of ['data', 'metadata'] as const) {
    it(`names the event of which one byte of ${column} was changed`, async () => {
      let position = 0
      const ran = await verifyHarmed((log) => flip(log, column, (position = victim(log))))
      assert.equal(ran.code, 1)
      const [first] = ran.json().findings
      assert.deepEqual([first.step, first.position, first.type], ['event', `${position}`, 'MessageReceived'])
      assert.match(
        ran.err,
        new RegExp(`NOT what it was\\. Event \\S+ \\(MessageReceived, position ${position}, .*was changed`),
      )
    })
  }

  it('names an event that was deleted', async () => {
    let position = 0
    const ran = await verifyHarmed((log) => {
      position = victim(log)
      log.prepare('DELETE FROM event WHERE position = ?').run(position)
    })
    assert.equal(ran.code, 1)
    const { findings } = ran.json()
    assert.match(findings[0].message, new RegExp(`position ${position} was deleted`))
    assert.match(findings[1].message, /follows revision \d+ of its stream/)
  })

  it('names an event that changed places with another', async () => {
    const ran = await verifyHarmed((log) => {
      const position = victim(log)
      const move = log.prepare('UPDATE event SET position = ? WHERE position = ?')
      move.run(1_000_000, position)
      move.run(position, position + 1)
      move.run(position + 1, 1_000_000)
    })
    assert.equal(ran.code, 1)
    assert.match(ran.err, /was changed/)
  })

  it('tells that the end of the log was cut off, and signs nothing over what is left', async () => {
    const copy = harmed(data, join(folder, `copy-${copies++}`), (log) => {
      const head = Number(log.prepare('SELECT max(position) AS head FROM event').get()?.['head'])
      log.prepare('DELETE FROM event WHERE position >= ?').run(head - 2)
      shorten(log)
    })
    const { ran, signing } = await on(copy, async (everpost) => ({
      ran: await verb(everpost, 'audit verify', ['--json'], folder),
      signing: await everpost.audit.sign().catch((error: Error) => error.message),
    }))
    assert.match(`${signing}`, /its tree remembers events up to \d+/)
    assert.equal(ran.code, 1)
    assert.match(ran.err, /the tree remembers \d+: the event at position \d+ and what came after it are gone/)
  })

  it('tells between which heads it happened when the tree was swept away too', async () => {
    // Readable metadata: no key notices, and the tree that would is gone.
    const ran = await verifyHarmed(
      (log) => {
        const position = victim(log)
        const put = log.prepare('UPDATE event SET metadata = ? WHERE position = ?')
        put.run(Buffer.from('{"v":1 }'), position)
      },
      [],
      forgetTree,
    )
    assert.equal(ran.code, 1)
    assert.match(
      ran.err,
      /signed head at position \d+ does not fit the log: one of the events 1 to \d+ is not what it was/,
    )
  })

  it('accepts no head of an unknown key, unless that key is named', async () => {
    const swap = async (argv: readonly string[]) =>
      verifyHarmed(
        () => {},
        argv,
        (copy) => writeFileSync(dataPaths(copy).auditKey, other),
      )
    const { newSigner } = await import('../../infra/audit/signing-key.ts')
    const other = newSigner('example.test/everpost').text
    const known = await on(data, async (everpost) => everpost.audit.publicKey())
    const refused = await swap([])
    assert.equal(refused.code, 1)
    assert.match(refused.err, /not signed by a key that counts here/)
    assert.equal((await swap(['--key', known])).code, 0)
    assert.equal((await swap(['--key', 'nonsense'])).code, 2)
  })

  it('tells a message whose bytes are gone, and one whose bytes were changed', async () => {
    const copy = harmed(data, join(folder, `copy-${copies++}`), () => {})
    await on(copy, async (everpost) => {
      const entries: string[] = []
      for await (const { id } of everpost.blobStore.entries()) entries.push(id)
      await everpost.blobStore.delete(entries[0] as string)
      const ran = await verb(everpost, 'audit verify', ['--blobs', 'all', '--json'], folder)
      assert.equal(ran.code, 1)
      assert.match(ran.err, /raw bytes of message \S+ .* are gone, but the message was not deleted/)
      assert.deepEqual(ran.json().blobs, { checked: 7, missing: 1 })
      assert.equal((await verb(everpost, 'audit verify', ['--blobs', 'none', '--json'], folder)).code, 0)
    })
  })
})

describe('an export of a log that was tampered with', () => {
  it('is refused when a signed head or the tree knows better, and names the event', async () => {
    const changed = harmed(data, join(folder, `copy-${copies++}`), (log) => flip(log, 'data', victim(log)))
    const refused = (copy: string) =>
      on(copy, (everpost) => verb(everpost, 'audit export', [ADDRESS, 'refused.jsonl'], folder))
    const known = await refused(changed)
    assert.equal(known.code, 1)
    assert.match(known.err, /Event \S+ \(MessageReceived, position \d+\) was changed since/)
    forgetTree(changed)
    const signed = await refused(changed)
    assert.equal(signed.code, 1)
    assert.match(signed.err, /not the one over which its newest head was signed/)
    assert.equal(existsSync(join(folder, 'refused.jsonl')), false)
  })

  it('is made when it happened before there was a tree, and says which event does not open', async () => {
    const copy = harmed(data, join(folder, `copy-${copies++}`), (log) => {
      log.exec("DELETE FROM event WHERE type = (SELECT id FROM type WHERE name = 'TreeHeadSigned')")
      shorten(log)
      flip(log, 'data', victim(log))
    })
    forgetTree(copy)
    await on(copy, async (everpost) => {
      const ran = await verb(everpost, 'audit export', [ADDRESS, 'damaged.jsonl', '--json'], folder)
      assert.equal(ran.code, 0, ran.err)
      assert.deepEqual([ran.json().damaged, ran.json().messages], [1, 7])
      assert.deepEqual(await verifyAlone('damaged.jsonl'), { code: 0, err: '' })
      const line = readFileSync(join(folder, 'damaged.jsonl'), 'utf8')
        .split('\n')
        .find((each) => each.includes('"damaged"'))
      assert.match(JSON.parse(line ?? '').damaged, /its bytes were changed/)
    })
  })
})

async function verifyAlone(file: string): Promise<{ readonly code: number; readonly err: string }> {
  let err = ''
  const code = await runAlone(VERIFY_TOOLS, 'audit verify', [file], {
    out: () => {},
    err: (text) => (err += text),
    progress: () => {},
    stdin: async () => '',
    cwd: folder,
    columns: 80,
    signal: new AbortController().signal,
  })
  return { code, err }
}

describe('a rewritten history', () => {
  it('is whole in itself, but does not extend a checkpoint that was kept elsewhere', async () => {
    const copy = harmed(data, join(folder, `copy-${copies++}`), (log) => {
      const position = victim(log)
      log.prepare('DELETE FROM event WHERE position >= ?').run(position)
      shorten(log)
    })
    const { rmSync } = await import('node:fs')
    rmSync(join(copy, 'views'), { recursive: true })
    await on(copy, async (everpost) => {
      await everpost.projectors.ready()
      const account = await everpost.services.directory.resolve(ADDRESS)
      await deliver(everpost, account?.accountId ?? '', 6, 100)
      const alone = await verb(everpost, 'audit verify', ['--sign', '--json'], folder)
      assert.equal(alone.code, 0, alone.err)
      const against = await verb(everpost, 'audit verify', ['--since', 'checkpoint', '--json'], folder)
      assert.equal(against.code, 1)
      assert.match(against.err, /The checkpoint checkpoint does not fit the log/)
      const [message] = (await verb(everpost, 'audit at', [ADDRESS, '2030-01-01T00:00:00Z', '--json'], folder)).json()
      const proof = await verb(
        everpost,
        'audit prove',
        [ADDRESS, '--message', message.id, '--since', 'checkpoint'],
        folder,
      )
      assert.equal(proof.code, 1)
      assert.match(proof.err, /history was rewritten/)
    })
  })
})

describe('the tree projection', () => {
  it('is rebuilt equal to the one before, and shown among the others', async () => {
    await on(data, async (everpost) => {
      const [rebuilt] = (await verb(everpost, 'projections rebuild', ['tree', '--json'], folder)).json()
      assert.deepEqual([rebuilt.name, rebuilt.same, rebuilt.generation], ['tree', true, 2])
      const lines = (await verb(everpost, 'projections status', ['--json'], folder)).json()
      assert.equal(lines.at(-1).name, 'tree')
      assert.equal((await verb(everpost, 'audit verify', ['--json'], folder)).code, 0)
    })
  })
})

describe('the daily head', () => {
  it('is signed when the log has grown, and not twice a day', async () => {
    const copy = harmed(data, join(folder, `copy-${copies++}`), () => {})
    await on(copy, async (everpost) => {
      const heads = async () => {
        let count = 0
        for await (const event of everpost.journal.readStream(auditStream))
          if (!isRedacted(event) && event.type === 'TreeHeadSigned') count++
        return count
      }
      let clock = Date.now()
      const once = () =>
        new Promise<number | undefined>((resolve, reject) => {
          const daily = startDailyHead(everpost.audit, {
            onSigned: done,
            onError: reject,
            onLooked: () => done(undefined),
            now: () => clock,
            firstMs: 0,
          })
          function done(size: number | undefined) {
            daily.stop()
            resolve(size)
          }
        })
      const account = await everpost.services.directory.resolve(ADDRESS)
      await deliver(everpost, account?.accountId ?? '', 1, 50)
      assert.equal(await once(), undefined, 'the newest head is younger than a day')
      clock += 25 * 3_600_000
      assert.ok(((await once()) ?? 0) > 0)
      assert.equal(await heads(), 2)
      clock += 25 * 3_600_000
      assert.equal(await once(), undefined, 'nothing came after the head')
      assert.equal(await heads(), 2)
    })
  })
})
