// A disk that is full, and one that cannot be written.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { BlobError } from '../../commands/ports/blob-store.ts'
import { EventStoreError } from '../../commands/ports/event-store.ts'
import { receiveMail } from '../../commands/receive-mail.ts'
import { mailboxStream } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { temporaryFolder } from '../support/folders.ts'
import { eventsOf, openJournal, testContext } from '../support/journal.ts'

const ANN = 'aaaaaaaaaaaaaaaaaaaaaaaaaa'

/** Mounts something at a fresh folder; false where this process may not. */
function mounted(t: TestContext, ...options: readonly string[]): string | undefined {
  const at = mkdtempSync(join(tmpdir(), 'everpost-test-'))
  const done = spawnSync('mount', [...options, at]).status === 0
  t.after(() => {
    if (done) spawnSync('umount', ['-l', at])
    rmdirSync(at)
  })
  return done ? at : undefined
}

describe('a full disk', () => {
  it('refuses mail, loses nothing that was acknowledged, and goes on by itself when there is space again', async (t) => {
    const disk = mounted(t, '-t', 'tmpfs', '-o', 'size=24m', 'tmpfs')
    if (!disk) return t.skip('this process may not mount a small disk')
    const ballast = join(disk, 'ballast')
    writeFileSync(ballast, Buffer.alloc(4_000_000))
    const { journal, keyring, blobs, close } = await openJournal(t, join(disk, 'data'))
    t.after(close)
    await keyring.create(ANN)
    const acknowledged: { name: string; raw: Buffer }[] = []
    const refusals: unknown[] = []
    let number = 0
    const deliver = async (size: number) => {
      const name = `mail${number++}`
      const raw = Buffer.concat([Buffer.from(`Subject: ${name}\r\n\r\n`), randomBytes(size)])
      const { ref, durable } = blobs.stage(raw)
      durable.catch(() => undefined)
      await receiveMail(journal, testContext(name), {
        intakeId: name,
        mailFrom: '',
        recipients: [{ accountId: ANN, address: 'ann@example.test' }],
        blob: ref,
        stored: durable,
        mail: readMail(raw),
      })
      acknowledged.push({ name, raw })
    }
    const burst = async (size: number) => {
      const settled = await Promise.allSettled(Array.from({ length: 10 }, () => deliver(size)))
      for (const outcome of settled) if (outcome.status === 'rejected') refusals.push(outcome.reason)
    }
    for (let i = 0; i < 60 && refusals.length < 40; i++) await burst(100_000)
    for (let i = 0; i < 30 && refusals.length < 80; i++) await burst(2_000)
    assert.ok(acknowledged.length > 20, 'some came before the disk was full')
    assert.ok(refusals.length >= 40, 'and then it was full')
    for (const error of refusals)
      assert.ok(
        (error instanceof BlobError || error instanceof EventStoreError) &&
          error.code === 'disk-full' &&
          /No space left/.test(error.message),
        String(error),
      )
    const check = async (parts: { journal: typeof journal; blobs: typeof blobs }) => {
      const subjects = new Map<string, Parameters<typeof blobs.read>[0]>()
      for (const event of await eventsOf(parts.journal, mailboxStream(ANN)))
        if (!('redacted' in event) && event.type === 'MessageReceived')
          subjects.set(event.data.intakeId, event.data.content.blob)
      for (const { name, raw } of acknowledged) {
        const ref = subjects.get(name)
        assert.ok(ref, `${name} was acknowledged`)
        assert.ok(raw.equals(await parts.blobs.read(ref)))
      }
      assert.equal(subjects.size, acknowledged.length, 'and nothing that was refused is there')
    }
    await check({ journal, blobs })
    rmSync(ballast)
    const before = acknowledged.length
    for (let i = 0; i < 3; i++) await deliver(50_000)
    assert.equal(acknowledged.length, before + 3, 'writing works again without a new start')
    await close()
    await check(await openJournal(t, join(disk, 'data')))
  })

  it('stops a start with one sentence', async (t) => {
    const disk = mounted(t, '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs')
    if (!disk) return t.skip('this process may not mount a small disk')
    assert.throws(() => writeFileSync(join(disk, 'ballast'), Buffer.alloc(2_000_000)), { code: 'ENOSPC' })
    const data = join(disk, 'data')
    await assert.rejects(
      openEverpost(loadConfig({ data }, {}, disk)),
      (error) => error instanceof Error && /No space left|space|full/i.test(error.message),
    )
  })
})

describe('a data folder that cannot be written', () => {
  it('stops the start with its name and what to do', async (t) => {
    const origin = temporaryFolder()
    const data = mounted(t, '--bind', origin)
    if (!data || spawnSync('mount', ['-o', 'remount,ro,bind', data]).status !== 0)
      return t.skip('this process may not mount a folder read-only')
    for (const folder of [data, join(data, 'new')])
      await assert.rejects(
        openEverpost(loadConfig({ data: folder }, {}, data)),
        (error) =>
          error instanceof EventStoreError &&
          error.code === 'read-only' &&
          error.message.includes(folder) &&
          /owner and mode|--data/.test(error.message),
      )
    assert.deepEqual(readdirSync(origin), [])
  })
})
