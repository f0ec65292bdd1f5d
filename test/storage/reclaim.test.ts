// Compaction gives back only what nobody can need any more.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { changeAccount } from '../../commands/change-account.ts'
import { changeMailbox } from '../../commands/change-mailbox.ts'
import { contextOf } from '../../commands/context.ts'
import { folderIdFor, openAccount } from '../../commands/open-account.ts'
import { BlobError } from '../../commands/ports/blob-store.ts'
import { messageIdFor, receiveMail } from '../../commands/receive-mail.ts'
import { readMail } from '../../domain/mail/read.ts'
import type { MailboxCommand } from '../../domain/mailbox/mailbox.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { temporaryFolder } from '../support/folders.ts'

const DAY = 86_400_000

describe('compaction of what was expunged', () => {
  it('keeps what lives, what may be restored, what is under a hold, and what a copy or another account still has', async (t) => {
    const data = temporaryFolder()
    const everpost = await openEverpost(loadConfig({ data }, {}, data))
    t.after(() => everpost.close())
    const { journal, blobs, services } = everpost
    const ids: string[] = []
    for (const name of ['ann', 'bob', 'held']) {
      const opened = await openAccount(services, contextOf('cli', 'cli'), { address: `${name}@example.test` })
      assert.ok(opened.ok)
      ids.push(opened.accountId)
    }
    const [ann = '', bob = '', held = ''] = ids
    await changeAccount(journal, contextOf('cli', 'cli'), held, {
      type: 'PlaceLegalHold',
      holdId: 'h',
      reason: 'court',
    })
    const refs = new Map<string, Awaited<ReturnType<typeof blobs.put>>>()
    const deliver = async (name: string, ...accounts: readonly string[]) => {
      const raw = Buffer.concat([Buffer.from(`Subject: ${name}\r\n\r\n`), randomBytes(20_000)])
      const blob = await blobs.put(raw)
      refs.set(name, blob)
      await receiveMail(journal, contextOf('smtp', 'smtp'), {
        intakeId: name,
        mailFrom: '',
        recipients: accounts.map((accountId) => ({ accountId, address: 'x@example.test' })),
        blob,
        mail: readMail(raw),
      })
    }
    for (const name of ['lives', 'old', 'recent', 'copied', 'copied-and-gone']) await deliver(name, ann)
    await deliver('shared', ann, bob)
    await deliver('on-hold', held)
    const run = async (account: string, command: MailboxCommand, daysAgo = 0) => {
      const outcome = await changeMailbox(
        { journal, snapshots: services.mailbox },
        contextOf(account, 'cli', { at: Date.now() - daysAgo * DAY }),
        account,
        command,
      )
      assert.ok(outcome.ok)
    }
    const id = (name: string, account = ann) => messageIdFor(name, account)
    for (const name of ['copied', 'copied-and-gone'])
      await run(ann, {
        type: 'CopyMessages',
        copies: [{ messageId: id(name), copyId: `copy-of-${name}` }],
        folderId: folderIdFor(ann, 'archive'),
      })
    await run(
      ann,
      {
        type: 'ExpungeMessages',
        messageIds: [id('old'), id('copied'), id('copied-and-gone'), 'copy-of-copied-and-gone', id('shared')],
      },
      31,
    )
    await run(ann, { type: 'ExpungeMessages', messageIds: [id('recent')] }, 29)
    await run(held, { type: 'ExpungeMessages', messageIds: [id('on-hold', held)] }, 400)
    await services.settle()
    const freed = await services.compact()
    assert.equal(freed.blobsDeleted, 2)
    for (const [name, ref] of refs) {
      const gone = name === 'old' || name === 'copied-and-gone'
      if (gone)
        await assert.rejects(blobs.read(ref), (error) => error instanceof BlobError && error.code === 'not-found', name)
      else assert.equal((await blobs.read(ref)).length, ref.size, name)
    }
    assert.equal((await services.compact()).blobsDeleted, 0)
  })
})
