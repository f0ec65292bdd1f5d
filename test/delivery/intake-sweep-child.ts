// A process that takes a mail and dies before it is delivered: run by intake-sweep.test.ts.
import { randomBytes } from 'node:crypto'
import { contextOf } from '../../commands/context.ts'
import { receiveMail } from '../../commands/receive-mail.ts'
import { readMail } from '../../domain/mail/read.ts'
import { openEventStoreDb } from '../../infra/adapters/event-store/eventstoredb.ts'
import { SealedJournal } from '../../infra/adapters/journal/sealed-journal.ts'
import { FileKeyring } from '../../infra/adapters/keyring/file.ts'

const [url = '', keyring = '', master = ''] = process.argv.slice(2)
const store = await openEventStoreDb(url)
const journal = new SealedJournal(store, new FileKeyring(keyring, Buffer.from(master, 'hex'), { writable: false }))
const raw = Buffer.from('From: a@b.test\r\nSubject: hello\r\n\r\nhello\r\n')
await receiveMail(journal, contextOf('smtp', 'smtp'), {
  intakeId: randomBytes(8).toString('hex'),
  mailFrom: 'a@b.test',
  recipients: [
    { accountId: 'ann', address: 'ann@example.test' },
    { accountId: 'bob', address: 'bob@example.test' },
  ],
  blob: { id: 'blob', key: 'key', size: raw.length },
  mail: readMail(raw),
})
process.stdout.write('delivered\n')
process.exit()
