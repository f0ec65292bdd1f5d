// Mail that moves from engines to others and back while more comes in: shared by the tests of several engines.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { newId } from '../../commands/identity.ts'
import { openAccount } from '../../commands/open-account.ts'
import { receiveMail } from '../../commands/receive-mail.ts'
import { readMail } from '../../domain/mail/read.ts'
import { loadConfig } from '../../infra/config.ts'
import { type Everpost, openEverpost } from '../../infra/open-everpost.ts'

/** Moves to the engines (keys of the settings) and back to those of one machine; nothing is lost or doubled, UIDs stay. */
export async function movesThereAndBack(
  t: Pick<TestContext, 'after'>,
  engines: Readonly<Record<string, string>>,
): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'everpost-migrate-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const masterKey = Buffer.alloc(32, 7).toString('base64')
  const file = (name: string, own: Readonly<Record<string, string>>) => {
    const path = join(home, `${name}.yaml`)
    writeFileSync(path, JSON.stringify({ data: join(home, name), masterKey, engines: own, dns: { servers: 'none' } }))
    return path
  }
  const files = {
    first: file('first', {}),
    real: file('real', engines),
    back: file('back', {}),
  }
  const open = (name: keyof typeof files) => openEverpost(loadConfig({ file: files[name] }, {}, home))

  let everpost = await open('first')
  const opened = await openAccount(everpost.services, contextOf('test', 'cli'), { address: 'kim@example.test' })
  assert.ok(opened.ok)
  await everpost.services.settle()
  const acknowledged: string[] = []
  let stop = false
  const mailIn = async (into: Everpost) => {
    for (let i = 0; !stop; i++) {
      // A mail after each that the views have shown: not more than they keep up with.
      await into.services.settle().catch(() => undefined)
      const subject = `mail ${acknowledged.length}.${i}`
      try {
        await deliver(into, opened.accountId, subject)
        acknowledged.push(subject)
      } catch (error) {
        assert.match(String(error), /moved on/)
        return
      }
    }
  }
  for (const next of ['real', 'back'] as const) {
    stop = false
    const coming = mailIn(everpost)
    const before = acknowledged.length
    while (acknowledged.length < before + 8) await new Promise((resolve) => setImmediate(resolve))
    const options = { signal: new AbortController().signal, onProgress: () => undefined }
    await everpost.services.migrate(files[next], { ...options, prepare: true })
    const moved = await everpost.services.migrate(files[next], { ...options, prepare: false })
    assert.ok(moved.heldSeconds < 30)
    stop = true
    await coming
    const old = await listed(everpost, opened.accountId)
    await everpost.close()
    await assert.rejects(openEverpost(everpost.config), /moved on/)
    everpost = await open(next)
    const now = await listed(everpost, opened.accountId)
    assert.deepEqual(now, old)
    assert.deepEqual(now.map(({ subject }) => subject).sort(), [...acknowledged].sort())
  }
  await everpost.close()
}

async function deliver(everpost: Everpost, accountId: string, subject: string): Promise<void> {
  const intakeId = newId()
  const raw = Buffer.from(`From: a@b.test\r\nTo: kim@example.test\r\nSubject: ${subject}\r\n\r\n${subject}\r\n`)
  await receiveMail(everpost.journal, contextOf('smtp', 'smtp', { commandId: intakeId }), {
    intakeId,
    mailFrom: 'a@b.test',
    recipients: [{ accountId, address: 'kim@example.test' }],
    blob: await everpost.blobs.put(raw),
    mail: readMail(raw),
  })
}

async function listed(everpost: Everpost, account: string) {
  await everpost.services.settle()
  const { mailbox } = everpost.projectors
  const inbox = (await mailbox.folders(account)).find(({ role }) => role === 'inbox')
  const rows: { uid: number; modseq: number; subject: string }[] = []
  for (let after: string | undefined; ; ) {
    const page = await mailbox.messages(account, inbox?.id ?? '', { first: 500, ...(after ? { after } : {}) })
    rows.push(...page.rows.map(({ uid, modseq, subject }) => ({ uid, modseq, subject })))
    if (page.next === null) return rows
    after = page.next
  }
}
