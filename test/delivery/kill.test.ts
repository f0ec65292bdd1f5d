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
import { openEmbedded } from '../../infra/embedded.ts'
import { temporaryFolder } from '../support/folders.ts'
import { startServer } from '../support/server.ts'
import { type Sink, startSink } from '../support/smtp-sink.ts'

const ROUNDS = 8
const MESSAGES = 240
const RECIPIENTS = ['one', 'two', 'three'].map((name) => `${name}@elsewhere.test`)

it('kill -9 in the middle of delivery: nobody is left out, and doubles are only those that were in flight', async (t) => {
  const data = temporaryFolder(t)
  /** `message recipient` -> times that the sink took it. */
  const taken = new Map<string, number>()
  let next = 0x2545f491
  const random = () => {
    next = Math.imul(next ^ (next >>> 15), 0x2c1b3c6d) + 0x6d2b79f5
    return ((next ^ (next >>> 13)) >>> 0) / 2 ** 32
  }
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
  const everpost = await openEmbedded(loadConfig({ data }, { EVERPOST_DNS_SERVERS: 'none' }, data))
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

  for (let round = 0; round < ROUNDS; round++) {
    left = 1 + Math.floor(random() * 25)
    enough = Promise.withResolvers<void>()
    const server = await startServer(data, env, ['--role', 'delivery'])
    await enough.promise
    await new Promise((resolve) => setTimeout(resolve, random() * 10))
    await server.end('SIGKILL')
    assert.doesNotMatch(server.errors(), /Error:|unhandled|\bat .*\.ts:/i)
  }
  const interrupted = await begunAndNotEnded(data)
  const last = await startServer(data, env, ['--role', 'delivery'])
  t.after(() => last.end('SIGKILL'))
  const all = submissions.flatMap((_, i) => RECIPIENTS.slice(0, 1 + (i % 3)).map((to) => `k${i}@example.test ${to}`))
  while (all.some((each) => !taken.has(each))) {
    left = 1
    enough = Promise.withResolvers<void>()
    await enough.promise
  }
  await last.end('SIGTERM')

  const after = await openEmbedded(loadConfig({ data }, { EVERPOST_DNS_SERVERS: 'none' }, data))
  t.after(() => after.close())
  const starts = new Map<string, number>()
  const delivered = new Map<string, number>()
  for await (const batch of after.journal.subscribe({ prefixes: ['submission-'] })) {
    for (const event of batch.events) {
      if (isRedacted(event)) continue
      const i = 'submissionId' in event.data ? submissions.indexOf(event.data.submissionId) : -1
      if (event.type === 'SendingStarted') starts.set(`${i}`, (starts.get(`${i}`) ?? 0) + 1)
      if (event.type !== 'RecipientDelivered') continue
      const key = `k${i}@example.test ${event.data.recipient}`
      delivered.set(key, (delivered.get(key) ?? 0) + 1)
    }
    if (batch.caughtUp) break
  }
  let doubles = 0
  for (const each of all) {
    assert.ok((taken.get(each) ?? 0) >= 1, `${each} is lost`)
    assert.equal(delivered.get(each), 1, `${each} is on the log once`)
    doubles += (taken.get(each) ?? 0) - 1
  }
  // At most five connections were in the middle of something at each kill.
  assert.ok(doubles <= ROUNDS * 10 * 3, `${doubles} doubles`)
  t.diagnostic(
    `${all.length} recipients, ${doubles} doubled by ${ROUNDS} kills; ${interrupted} submissions were begun at the last`,
  )
})

/** Submissions that the log says were begun when the process died. */
async function begunAndNotEnded(data: string): Promise<number> {
  const everpost = await openEmbedded(loadConfig({ data }, { EVERPOST_DNS_SERVERS: 'none' }, data))
  try {
    const open = new Set<string>()
    for await (const batch of everpost.journal.subscribe({ prefixes: ['submission-'] })) {
      for (const event of batch.events) {
        if (event.type === 'SendingStarted') open.add(event.stream)
        if (event.type === 'SubmissionCompleted') open.delete(event.stream)
      }
      if (batch.caughtUp) break
    }
    return open.size
  } finally {
    await everpost.close()
  }
}
