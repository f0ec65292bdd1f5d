// A person with some mail, and a client signed in as that person.
import type { TestContext } from 'node:test'
import { ImapClient } from '../support/imap-client.ts'
import { type MailAccess, PASSWORD } from '../support/mail-access.ts'

export const mail = (subject: string, body = 'Hello there', more = ''): string =>
  `From: "Sam Sender" <sam@elsewhere.test>\r\nTo: ann@example.test\r\nSubject: ${subject}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0100\r\nMessage-ID: <${subject.replaceAll(' ', '.')}@elsewhere.test>\r\n${more}\r\n${body}\r\n`

export async function personWith(access: MailAccess, t: TestContext, ...mails: readonly string[]) {
  const name = await access.person()
  for (const each of mails) await access.deliver(name, each)
  await access.settle()
  const port = await access.imap(t)
  const client = await ImapClient.signedIn(port, name, PASSWORD)
  t.after(() => client.close())
  return { name, port, client }
}
