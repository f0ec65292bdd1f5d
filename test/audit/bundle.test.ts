// What an auditor is handed: it holds anywhere, and nothing in it can be changed, left out or put in without the step being named.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { changeAccount } from '../../commands/change-account.ts'
import { contextOf } from '../../commands/context.ts'
import { parseCheckpoint, parseNote } from '../../domain/audit/checkpoint.ts'
import { auditStream, isRedacted } from '../../domain/log.ts'
import { runsAlone } from '../../gateways/cli/find-verb.ts'
import { runAlone } from '../../gateways/cli/run.ts'
import { VERIFY_TOOLS } from '../../infra/audit/verify-tools.ts'
import type { Everpost } from '../../infra/open-everpost.ts'
import { manifestText } from '../../projections/audit/bundle.ts'
import { temporaryFolder } from '../support/folders.ts'
import { ADDRESS, deliver, openOn, openPerson, type Ran, verb } from './mailbox.ts'

const cleanups: (() => unknown)[] = []
const folder = temporaryFolder()
let everpost: Everpost
let account = ''
let publicKey = ''

before(async () => {
  everpost = await openOn(join(folder, 'data'))
  account = await openPerson(everpost)
  await deliver(everpost, account, 4)
  assert.equal((await run('audit export', [ADDRESS, 'plain.jsonl'])).code, 0)
  assert.equal((await run('audit export', [ADDRESS, 'keyed.jsonl', '--with-key'])).code, 0)
  publicKey = everpost.audit.publicKey()
})
after(async () => {
  await everpost.close()
  for (const clean of cleanups) clean()
})

const run = (name: string, argv: readonly string[]): Promise<Ran> => verb(everpost, name, argv, folder)

async function verify(file: string, ...argv: string[]): Promise<Ran> {
  let out = ''
  let err = ''
  const code = await runAlone(VERIFY_TOOLS, 'audit verify', [file, ...argv], {
    out: (text) => (out += text),
    err: (text) => (err += text),
    progress: () => {},
    stdin: async () => '',
    cwd: folder,
    columns: 80,
    signal: new AbortController().signal,
  })
  return { code, out, err, json: () => JSON.parse(out) }
}

// biome-ignore lint/suspicious/noExplicitAny: lines of every shape
type Lines = any[]
const read = (file: string): Lines =>
  readFileSync(join(folder, file), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

/** Writes lines as they are. */
function write(lines: Lines, file = 'changed.jsonl'): string {
  writeFileSync(join(folder, file), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  return file
}

/** A server that lies, and signs what it says. */
function writeSigned(lines: Lines): string {
  const manifest = lines.at(-1)
  const above = lines.slice(0, -1)
  const sha256 = createHash('sha256')
    .update(above.map((line) => `${JSON.stringify(line)}\n`).join(''))
    .digest('hex')
  const origin = parseCheckpoint(parseNote(lines[0].checkpoint).text).origin
  const counted = {
    events: above.filter(({ kind }) => kind === 'event').length,
    messages: above.filter(({ raw }) => raw !== undefined).length,
    missing: above.filter(({ missing }) => missing !== undefined).length,
    sha256,
  }
  return write([
    ...above,
    { kind: manifest.kind, ...counted, note: everpost.audit.signNote(manifestText(origin, counted)) },
  ])
}

const arrivals = (lines: Lines): Lines => lines.filter(({ type }) => type === 'MessageReceived')

async function fails(file: string, step: string, reason = /./): Promise<void> {
  const ran = await verify(file)
  assert.equal(ran.code, 1, `${step}: ${ran.out}`)
  assert.match(ran.err, new RegExp(`does NOT hold\\. Failed at ${step}: `))
  assert.match(ran.err, reason)
}

describe('everpost audit export', () => {
  it('holds in a process that has nothing but the file', () => {
    const empty = join(folder, 'elsewhere')
    mkdirSync(empty)
    copyFileSync(join(folder, 'plain.jsonl'), join(empty, 'kim.jsonl'))
    const program = join(import.meta.dirname, '../../infra/everpost.ts')
    const ran = spawnSync(process.execPath, [program, 'audit', 'verify', 'kim.jsonl', '--key', publicKey, '--json'], {
      cwd: empty,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], EVERPOST_DATA: '/nonexistent/data' },
    })
    assert.equal(ran.stderr, '')
    assert.equal(ran.status, 0)
    const verdict = JSON.parse(ran.stdout)
    assert.deepEqual([verdict.ok, verdict.pinned, verdict.messages, verdict.missing], [true, true, 4, 0])
    assert.deepEqual(readdirSync(empty), ['kim.jsonl'])
  })

  it('has every event of the account and the exact bytes of every message', async () => {
    const lines = read('plain.jsonl')
    const here = new Set(
      lines.filter(({ kind }) => kind === 'event').map(({ stream, revision }) => `${stream} ${revision}`),
    )
    for (const stream of [`mailbox-${account}`, `account-${account}`])
      for await (const { revision } of everpost.journal.readStream(stream)) assert.ok(here.has(`${stream} ${revision}`))
    const raw = lines.find(({ kind }) => kind === 'message')
    assert.match(Buffer.from(raw.raw, 'base64').toString(), /^Subject: Number 0\r$/m)
    assert.equal(statSync(join(folder, 'plain.jsonl')).mode & 0o777, 0o600)
  })

  it('is put on the record with the hash of the file', async () => {
    const made = []
    for await (const event of everpost.journal.readStream(auditStream))
      if (!isRedacted(event) && event.type === 'ExportMade') made.push(event.data)
    const sha256 = createHash('sha256')
      .update(readFileSync(join(folder, 'plain.jsonl')))
      .digest('hex')
    assert.deepEqual(made[0], { accountId: account, messages: 4, sha256 })
  })

  it('keeps to a span of time', async () => {
    const from = new Date(1_700_000_001_000).toISOString()
    const to = new Date(1_700_000_003_000).toISOString()
    const ran = await run('audit export', [ADDRESS, 'span.jsonl', '--from', from, '--to', to, '--json'])
    assert.equal(ran.json().messages, 2)
    assert.equal((await verify('span.jsonl')).code, 0)
    assert.equal((await run('audit export', [ADDRESS, 'span.jsonl', '--from', 'yesterday'])).code, 2)
  })

  it('says which message is without its bytes, and why', async () => {
    const other = await openPerson(everpost, 'lost@example.test')
    await deliver(everpost, other, 1, 900)
    for await (const event of everpost.journal.readStream(`mailbox-${other}`))
      if (!isRedacted(event) && event.type === 'MessageReceived')
        await everpost.blobStore.delete(event.data.content.blob.id)
    const ran = await run('audit export', ['lost@example.test', 'lost.jsonl'])
    assert.equal(ran.code, 0)
    assert.match(ran.out, /1 messages are without their raw bytes/)
    assert.match((await verify('lost.jsonl')).out, /1 messages are without their raw bytes/)
  })

  it('leaves no file behind when it cannot be written', async () => {
    const ran = await run('audit export', [ADDRESS, 'no/such/folder/kim.jsonl'])
    assert.equal(ran.code, 1)
    assert.match(ran.err, /cannot be written/)
  })
})

describe('everpost audit verify FILE', () => {
  it('names the step at which a changed file fails', async () => {
    const changed = async (step: string, change: (lines: Lines) => unknown, reason?: RegExp) => {
      const lines = read('plain.jsonl')
      change(lines)
      await fails(write(lines), step, reason)
    }
    const flipped = (text: string, at = 40) =>
      `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
    await changed(
      'inclusion',
      (lines) => (arrivals(lines)[0].data = flipped(arrivals(lines)[0].data)),
      /event \S+ \(MessageReceived/,
    )
    await changed('inclusion', (lines) => (arrivals(lines)[1].revision = '77'))
    await changed('inclusion', (lines) => (arrivals(lines)[1].proof[0] = flipped(arrivals(lines)[1].proof[0], 3)))
    await changed('inclusion', (lines) => arrivals(lines)[1].index++)
    await changed('signature', (lines) => (lines[0].checkpoint = lines[0].checkpoint.replace(/\n\d+\n/, '\n5\n')))
    await changed(
      'message',
      (lines) => (lines.find(({ raw }) => raw).raw = flipped(lines.find(({ raw }) => raw).raw)),
      /raw bytes/,
    )
    await changed(
      'message',
      (lines) =>
        lines.splice(
          lines.findIndex(({ raw }) => raw),
          1,
        ),
      /not here/,
    )
    await changed('manifest', (lines) => (arrivals(lines)[0].payload.receivedAt = 1), /do not have its hash/)
    await changed('manifest', (lines) => (lines[0].account.address = 'other@example.test'))
    await changed('manifest', (lines) => lines.pop(), /last line is missing/)
    await changed('manifest', (lines) => lines.push(lines[3]), /behind the manifest/)
    await changed(
      'completeness',
      (lines) =>
        lines.splice(
          lines.findIndex(({ type }) => type === 'FolderCreated'),
          1,
        ),
      /left out/,
    )
    await changed('format', (lines) => (lines[0].format = 'everpost-export/9'))
    await changed('format', (lines) => (lines[2] = { kind: 'nonsense' }))
    await changed('format', (lines) => (arrivals(lines)[0].metadata = 7))
    writeFileSync(join(folder, 'empty.jsonl'), '')
    await fails('empty.jsonl', 'format')
    writeFileSync(join(folder, 'noise.jsonl'), Buffer.from([0, 255, 10, 13, 10]))
    await fails('noise.jsonl', 'format')
    assert.equal((await verify('no-such-file')).code, 1)
  })

  it('accepts no file of which any one bit is flipped', async () => {
    const bytes = readFileSync(join(folder, 'plain.jsonl'))
    // Every few hundred bytes, the borders of lines, and the whole last line.
    const last = bytes.lastIndexOf(10, bytes.length - 2)
    const places = [...bytes.keys()].filter((i) => i % 499 === 0 || bytes[i] === 10 || (i > last && i % 7 === 0))
    for (const [n, at] of places.entries()) {
      const copy = Buffer.from(bytes)
      copy[at] = (copy[at] ?? 0) ^ (1 << (n % 8))
      writeFileSync(join(folder, 'flipped.jsonl'), copy)
      assert.equal((await verify('flipped.jsonl')).code, 1, `byte ${at} of ${bytes.length}`)
    }
  })

  it('holds a file against the key that the auditor knows', async () => {
    assert.match((await verify('plain.jsonl', '--key', publicKey)).out, /Signed by the key that you gave/)
    assert.match((await verify('plain.jsonl')).out, /compare it with the one you know/)
    const { newSigner, readSigner } = await import('../../infra/audit/signing-key.ts')
    const other = readSigner(newSigner('example.test/everpost').text).publicKey
    const ran = await verify('plain.jsonl', '--key', other)
    assert.equal(ran.code, 1)
    assert.match(ran.err, /Failed at signature/)
    assert.equal((await verify('plain.jsonl', '--key', 'nonsense')).code, 2)
    assert.equal((await verify('plain.jsonl', '--sign')).code, 2)
    assert.ok(runsAlone('audit verify', ['plain.jsonl']) && !runsAlone('audit verify', ['--sign']))
  })

  it('with the key of the account, catches a server that signs something else than what is sealed', async () => {
    const honest = (await verify('keyed.jsonl', '--json')).json()
    assert.deepEqual([honest.messages, honest.traced], [4, 4])
    assert.ok(honest.opened > 8)
    const payload = read('keyed.jsonl')
    arrivals(payload)[0].payload.content.envelope.subject = 'Never said'
    await fails(writeSigned(payload), 'payload', /not what its sealed bytes say/)
    const message = read('keyed.jsonl')
    const line = message.find(({ raw }) => raw)
    const raw = Buffer.from(Buffer.from(line.raw, 'base64').toString('latin1').replace('Number', 'Rumbex'), 'latin1')
    Object.assign(line, { raw: raw.toString('base64'), sha256: createHash('sha256').update(raw).digest('hex') })
    await fails(writeSigned(message), 'message', /not what is stored/)
    // Without the key only the server's word stands for it: the verdict says so.
    const plain = read('plain.jsonl')
    arrivals(plain)[0].payload.content.envelope.subject = 'Never said'
    const ran = await verify(writeSigned(plain))
    assert.equal(ran.code, 0)
    assert.match(ran.out, /payloads are what the server says/)
  })
})

describe('everpost audit prove', () => {
  it('proves the events of a message, and that the log only grew', async () => {
    const [message] = (await run('audit at', [ADDRESS, '2030-01-01T00:00:00Z', '--json'])).json()
    const first = await run('audit verify', ['--sign', '--blobs', 'none', '--json'])
    const { checkpoint, size } = first.json().signed
    writeFileSync(join(folder, 'checkpoint'), checkpoint)
    await changeAccount(everpost.journal, contextOf(account, 'cli'), account, { type: 'ChangeQuota', bytes: 5_000_000 })
    await deliver(everpost, account, 1, 300)
    const listed = (await run('audit at', [ADDRESS, '2030-01-01T00:00:00Z', '--json'])).json()
    const newest = listed.find(({ subject }: { subject: string }) => subject === 'Number 300')
    for (const { id } of [message, newest]) {
      const ran = await run('audit prove', [ADDRESS, '--message', id, '--since', 'checkpoint', '--out', 'proof.jsonl'])
      assert.equal(ran.code, 0, ran.err)
      const verdict = (await verify('proof.jsonl', '--key', publicKey, '--json')).json()
      assert.deepEqual([verdict.ok, verdict.extends], [true, size])
      assert.ok(verdict.events > 0)
    }
    const lines = read('proof.jsonl')
    lines[0].since.proof.pop()
    await fails(write(lines), 'consistency')
    const eventId = read('proof.jsonl')[1].id
    const byEvent = await run('audit prove', [ADDRESS, '--event', eventId])
    writeFileSync(join(folder, 'event.jsonl'), byEvent.out)
    assert.equal((await verify('event.jsonl', '--json')).json().events, 1)
  })

  it('refuses what is not there, and what is said wrong', async () => {
    assert.equal((await run('audit prove', [ADDRESS])).code, 2)
    assert.equal((await run('audit prove', [ADDRESS, '--message', 'x', '--event', 'y'])).code, 2)
    assert.match((await run('audit prove', [ADDRESS, '--message', 'nosuch'])).err, /never had a message nosuch/)
    assert.match((await run('audit prove', [ADDRESS, '--event', 'nosuch'])).err, /never had an event nosuch/)
    assert.match(
      (await run('audit prove', [ADDRESS, '--message', 'x', '--since', 'plain.jsonl'])).err,
      /is not a checkpoint|too long/,
    )
    assert.equal((await run('audit prove', ['nobody@example.test', '--message', 'x'])).code, 1)
  })
})

describe('--as and --reason', () => {
  it('put the auditor on the record before anything is shown, for every verb that shows mail', async () => {
    const who = ['--as', 'Lee, counsel', '--reason', 'Case 2026-17']
    const [message] = (await run('audit at', [ADDRESS, '2030-01-01T00:00:00Z', '--json', ...who])).json()
    await run('audit history', [ADDRESS, ...who])
    await run('audit prove', [ADDRESS, '--message', message.id, ...who])
    await run('audit export', [ADDRESS, 'seen.jsonl', ...who])
    const accesses = []
    for await (const event of everpost.journal.readStream(auditStream))
      if (!isRedacted(event) && event.type === 'AuditorAccessed') accesses.push(event.data)
    assert.deepEqual(
      accesses.map(({ auditor, accountId, reason }) => [auditor, accountId, reason]),
      Array.from({ length: 4 }, () => ['Lee, counsel', account, 'Case 2026-17']),
    )
    assert.deepEqual(
      accesses.map(({ what }) => what),
      ['mailbox at 2030-01-01T00:00:00.000Z', 'history', `proof of message ${message.id}`, 'export'],
    )
    // The access that an export was made under is in that export.
    assert.ok(read('seen.jsonl').some(({ type, payload }) => type === 'AuditorAccessed' && payload.what === 'export'))
    assert.equal((await run('audit history', [ADDRESS, '--as', 'Lee'])).code, 2)
    assert.equal((await run('audit history', [ADDRESS, '--reason', 'curiosity'])).code, 2)
  })
})
