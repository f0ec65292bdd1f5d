// Fills a data folder with many small messages through the same journal and blob store as the server's, then waits for the views.
import { randomInt } from 'node:crypto'
import { appendMessages, importedMessageId } from '../../commands/append-message.ts'
import { contextOf } from '../../commands/context.ts'
import { folderIdFor } from '../../commands/open-account.ts'
import { readMail } from '../../domain/mail/read.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'

const [data = '', count = '0'] = process.argv.slice(2)
const everpost = await openEverpost(loadConfig({ data }, {}, process.cwd()))
await everpost.projectors.ready()
const accounts = (await everpost.services.directory.accounts()).filter(({ address }) => address.startsWith('user'))
const WORDS =
  'report meeting invoice lake project board mail server replay event audit queue winter summer figures draft plan train'.split(
    ' ',
  )
const words = (n: number) => Array.from({ length: n }, () => WORDS[randomInt(WORDS.length)]).join(' ')
const BATCH = 200
const total = Number(count)
for (let done = 0; done < total; done += BATCH) {
  const account = accounts[(done / BATCH) % accounts.length]
  if (!account) throw new Error('No accounts')
  const folderId = folderIdFor(account.id, 'inbox')
  const messages = Array.from({ length: Math.min(BATCH, total - done) }, (_, i) => {
    const raw = Buffer.from(
      `From: p${(done + i) % 500}@load.test\r\nTo: ${account.address}\r\nSubject: ${words(4)}\r\nMessage-ID: <${done + i}@load.test>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n${words(120)}\r\n`,
    )
    const { ref, durable } = everpost.blobs.stage(raw)
    const id = importedMessageId(account.id, folderId, raw)
    return {
      durable,
      message: {
        messageId: id,
        folderId,
        flags: i % 4 ? ['\\seen'] : [],
        receivedAt: 1_700_000_000_000 + (done + i) * 1000,
        source: 'import' as const,
        mail: readMail(raw),
        blob: ref,
      },
    }
  })
  await Promise.all(messages.map(({ durable }) => durable))
  await appendMessages(
    everpost.journal,
    contextOf('seed', 'import'),
    account.id,
    messages.map(({ message }) => message),
  )
}
await everpost.services.settle()
for (;;) {
  const lines = await everpost.services.projectionStatus()
  if (lines.every(({ name, lag }) => name === 'tree' || lag.positions === 0n)) break
  await new Promise((resolve) => setTimeout(resolve, 200))
}
await everpost.close()
