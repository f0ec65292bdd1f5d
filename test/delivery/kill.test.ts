// kill -9 while mail leaves: no recipient is lost, and none gets a message twice but those whom the dead process was sending to: there
// the other server had taken the message and the log had not heard of it, which SMTP cannot tell apart (RFC 1047).

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { openAccount } from '../../commands/open-account.ts'
import { submitMessage } from '../../commands/submit-message.ts'
import { isRedacted } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { temporaryFolder } from '../support/folders.ts'
import { fractionsFrom } from '../support/random.ts'
import { startServer } from '../support/server.ts'
import { type Sink, startSink } from '../support/smtp-sink.ts'

const ROUNDS = 6
const MESSAGES = 200
const RECIPIENTS = ['one', 'two', 'three'].map((name) => `${name}@elsewhere.test`)

it('kill -9 in the middle of delivery: nobody is left out, and doubles are only those that were in flight', async (t) => {
  const data = temporaryFolder()
  /** `message recipient` -> times that the sink took it. */
  const taken = new Map<string, number>()
  const random = fractionsFrom(0x2545f491)
  let left = Number.POSITIVE_INFINITY
  let enough = Promise.withResolvers<void>()
  const sink: Sink = await startSink(t, {
    onMessage: (mail) => {
      const id = /^Message-ID: <([^>]+)>/m.exec(mail.message.toString())?.[1] ?? ''
      for (const to of mail.to) taken.set(`${id} ${to}`, (taken.get(`${id} ${to}`) ?? 0) + 1)
      if (--left === 0) enough.resolve()
      return undefined
    },
  })
  const env = {
    EVERPOST_ROUTES: `elsewhere.test=smtp://127.0.0.1:${sink.port}`,
    EVERPOST_DELIVERY_FIRST_RETRY_SECONDS: '0.1',
    EVERPOST_DELIVERY_LONGEST_RETRY_SECONDS: '0.5',
  }
  const everpost = await openEverpost(loadConfig({ data }, { EVERPOST_DNS_SERVERS: 'none' }, data))
  const opened = await openAccount(everpost.services, contextOf('cli', 'cli'), { address: 'ann@example.test' })
  assert.ok(opened.ok)
  const submissions: string[] = []
  for (let i = 0; i < MESSAGES; i++) {
    const raw = Buffer.from(
      `From: ann@example.test\r\nMessage-ID: <k${i}@example.test>\r\nSubject: ${i}\r\n\r\nText.\r\n`,
    )
    const recipients = RECIPIENTS.slice(0, 1 + (i % 3))
    const outcome = await submitMessage(
      { journal: everpost.journal, directory: everpost.services.directory },
      contextOf(opened.accountId, 'submission'),
      {
        accountId: opened.accountId,
        mailFrom: 'ann@example.test',
        recipients,
        blob: await everpost.blobs.put(raw),
        mail: readMail(raw),
        keepSentCopy: false,
      },
    )
    assert.ok(outcome.ok)
    submissions.push(outcome.submissionId)
  }
  await everpost.services.settle()
  await everpost.close()

  /** How often the sink had taken what the log did not know, when the process died. */
  const inFlight = new Map<string, number>()
  for (let round = 0; round < ROUNDS; round++) {
    left = 1 + Math.floor(random() * 25)
    enough = Promise.withResolvers<void>()
    const server = await startServer(data, env, ['--role', 'delivery'])
    await enough.promise
    await new Promise((resolve) => setTimeout(resolve, random() * 10))
    await server.end('SIGKILL')
    const recorded = await deliveredIn(data, submissions)
    for (const key of taken.keys()) if (!recorded.has(key)) inFlight.set(key, (inFlight.get(key) ?? 0) + 1)
    assert.doesNotMatch(server.errors(), /Error:|unhandled|\bat .*\.ts:/i)
  }
  const last = await startServer(data, env, ['--role', 'delivery'])
  t.after(() => last.end('SIGKILL'))
  const all = submissions.flatMap((_, i) => RECIPIENTS.slice(0, 1 + (i % 3)).map((to) => `k${i}@example.test ${to}`))
  while (all.some((each) => !taken.has(each))) {
    left = 1
    enough = Promise.withResolvers<void>()
    await enough.promise
  }
  await last.end('SIGTERM')

  const delivered = await deliveredIn(data, submissions)
  let doubles = 0
  for (const each of all) {
    assert.ok((taken.get(each) ?? 0) >= 1, `${each} is lost`)
    assert.equal(delivered.get(each), 1, `${each} is on the log once`)
    const more = (taken.get(each) ?? 0) - 1
    doubles += more
    assert.ok(
      more <= (inFlight.get(each) ?? 0),
      `${each} came ${more} times too often and was in flight ${inFlight.get(each) ?? 0} times`,
    )
  }
  t.diagnostic(
    `${all.length} recipients; ${doubles} came twice, each taken by the other side when one of ${ROUNDS} kills came before the log knew`,
  )
})

/** `message recipient` -> how often the log says that it was delivered. */
async function deliveredIn(data: string, submissions: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const everpost = await openEverpost(loadConfig({ data }, { EVERPOST_DNS_SERVERS: 'none' }, data))
  try {
    const delivered = new Map<string, number>()
    for await (const batch of everpost.journal.subscribe({ prefixes: ['submission-'] })) {
      for (const event of batch.events) {
        if (isRedacted(event) || event.type !== 'RecipientDelivered') continue
        const key = `k${submissions.indexOf(event.data.submissionId)}@example.test ${event.data.recipient}`
        delivered.set(key, (delivered.get(key) ?? 0) + 1)
      }
      if (batch.caughtUp) break
    }
    return delivered
  } finally {
    await everpost.close()
  }
}
