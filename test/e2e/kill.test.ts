// kill -9 under load, fifty times: what was answered with 250 is there once, the views are what a rebuild makes, and nobody repairs anything.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, it } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { openAccount } from '../../commands/open-account.ts'
import { isRedacted, mailboxStream } from '../../domain/log.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { temporaryFolder } from '../support/folders.ts'
import { fractionsFrom } from '../support/random.ts'
import { startServer } from '../support/server.ts'
import { SmtpClient } from '../support/smtp-client.ts'

const ROUNDS = 50
/** Data folders that are hammered at the same time, one for each core. */
const LANES = 2
const VIEWS = ['mailbox', 'directory', 'submissions', 'timeline', 'filter', 'search']
const ROLES = ['--role', 'smtp,projector']
const PEOPLE = ['ann', 'bob', 'cid', 'dan']

interface Sent {
  readonly acknowledged: Map<string, readonly string[]>
  readonly attempted: Set<string>
}

/** Sends until the connection breaks: small messages, now and then a large one or one for two people. */
async function load(
  port: number,
  name: string,
  sent: Sent,
  next: () => number,
  acknowledged: () => void,
): Promise<void> {
  const client = await SmtpClient.ready(port).catch(() => undefined)
  for (let i = 0; client; i++) {
    const id = `${name}-${i}@kill.test`
    const first = PEOPLE[Math.floor(next() * PEOPLE.length)] as string
    const to = next() < 0.2 ? PEOPLE.slice(0, 2) : [first]
    const lines = next() < 0.05 ? 20_000 : Math.floor(next() * 200)
    sent.attempted.add(id)
    const message = `Message-ID: <${id}>\r\nSubject: ${id}\r\n\r\n${'All work and no play makes Jack a dull boy. Some more words for the line.\r\n'.repeat(lines)}`
    const reply = await client.send(
      'x@elsewhere.test',
      to.map((person) => `${person}@example.test`),
      message,
    )
    if (reply.code === 0) return
    assert.equal(reply.code, 250, reply.text)
    sent.acknowledged.set(id, to)
    acknowledged()
  }
}

/** Each round dies some milliseconds after some message was acknowledged; every sixth dies while it starts. */
async function lane(data: string, seed: number): Promise<{ sent: Sent; readyAfter: number[] }> {
  const next = fractionsFrom(seed)
  const sent: Sent = { acknowledged: new Map(), attempted: new Set() }
  const readyAfter: number[] = []
  for (let round = 0; round < ROUNDS / LANES; round++) {
    if (round % 6 === 5) {
      const wait = 100 + next() * 700
      const start = startServer(data, {}, ROLES, (child) => void setTimeout(() => child.kill('SIGKILL'), wait))
      await start.then(
        (server) => server.end('SIGKILL'),
        (error: Error) => assert.match(error.message, /SIGKILL:\n$/),
      )
      continue
    }
    const server = await startServer(data, {}, ROLES)
    readyAfter.push(server.readyAfter)
    let left = 1 + Math.floor(next() * 60)
    const enough = Promise.withResolvers<void>()
    const acknowledged = () => {
      if (--left === 0) enough.resolve()
    }
    const clients = Array.from({ length: 6 }, (_, i) =>
      load(server.ports['smtp'] ?? 0, `${seed}-${round}-${i}`, sent, next, acknowledged),
    )
    await Promise.race([enough.promise, Promise.all(clients)])
    await new Promise((resolve) => setTimeout(resolve, next() * 30))
    await server.end('SIGKILL')
    await Promise.all(clients)
    assert.doesNotMatch(server.errors(), /Error:|unhandled|\bat .*\.ts:/i)
  }
  return { sent, readyAfter }
}

describe('fifty times kill -9 under load', () => {
  it('loses and doubles nothing that was acknowledged', async (t) => {
    const folders = Array.from({ length: LANES }, () => temporaryFolder())
    for (const data of folders) {
      const everpost = await openEverpost(loadConfig({ data }, {}, data))
      for (const person of PEOPLE)
        assert.ok(
          (await openAccount(everpost.services, contextOf('cli', 'cli'), { address: `${person}@example.test` })).ok,
        )
      await everpost.close()
    }
    const lanes = await Promise.all(folders.map((data, i) => lane(data, i + 1)))
    let total = 0
    for (const [i, data] of folders.entries()) {
      const { sent } = lanes[i] as Awaited<ReturnType<typeof lane>>
      total += sent.acknowledged.size
      assert.ok(existsSync(data))
      const everpost = await openEverpost(loadConfig({ data }, {}, data))
      try {
        await everpost.services.settle()
        const found = new Map<string, number>()
        for (const account of await everpost.services.directory.accounts()) {
          let messages = 0
          for await (const event of everpost.journal.readStream(mailboxStream(account.id))) {
            if (isRedacted(event) || event.type !== 'MessageReceived') continue
            messages++
            const { envelope, blob } = event.data.content
            const key = `${envelope.messageId} ${account.address}`
            found.set(key, (found.get(key) ?? 0) + 1)
            assert.equal((await everpost.blobs.read(blob)).length, blob.size, 'every message has its bytes')
          }
          const usage = await everpost.services.mailbox.usage(account.id)
          assert.equal(usage.messages, messages, 'the view counts what the log holds')
        }
        for (const [id, people] of sent.acknowledged)
          for (const person of people) assert.equal(found.get(`${id} ${person}@example.test`), 1, `${id} for ${person}`)
        for (const [key, count] of found) {
          assert.equal(count, 1, `${key} is there ${count} times`)
          assert.ok(sent.attempted.has(key.split(' ')[0] ?? ''))
        }
        for (const name of everpost.services.projectionNames) {
          for (const rebuilt of await everpost.services.rebuild(name, () => undefined)) {
            if (VIEWS.includes(rebuilt.name))
              assert.equal(rebuilt.same, true, `${rebuilt.name} differs from its rebuild`)
            assert.notEqual(rebuilt.same, false, rebuilt.name)
            assert.equal(rebuilt.parked, 0, rebuilt.name)
          }
        }
      } finally {
        await everpost.close()
      }
    }
    assert.ok(total > ROUNDS * 5, `${total} messages were acknowledged in all`)
    t.diagnostic(
      `${total} messages acknowledged; start to ready at most ${Math.round(Math.max(...lanes.flatMap(({ readyAfter }) => readyAfter)))} ms`,
    )
  })
})
