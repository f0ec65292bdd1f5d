// Who sends too much is told so, and who looks taken over is slowed, on the log.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { openAccount } from '../../commands/open-account.ts'
import type { AccountEvent } from '../../domain/account/account.ts'
import { evolve, noAccount } from '../../domain/account/account.ts'
import { SlidingCount } from '../../domain/delivery/sending-limits.ts'
import { accountStream } from '../../domain/log.ts'
import { AccountSendingGuard } from '../../gateways/limits/sending-guard.ts'
import type { DirectoryRow, SubmissionRow } from '../../projections/queries.ts'
import { eventsOf, FakeDirectory, openJournal } from '../support/journal.ts'

const HOUR = 3_600_000
const START = Date.parse('2026-03-01T09:00:00Z')
const many = { messagesPerHour: 1e9, recipientsPerHour: 1e9, messagesPerDay: 1e9, recipientsPerDay: 1e9 }

async function guardWith(t: TestContext, limits: Partial<typeof many> = {}) {
  const parts = await openJournal(t)
  const opened = await openAccount({ ...parts, directory: new FakeDirectory() }, contextOf('test', 'cli'), {
    address: 'ann@example.test',
  })
  assert.ok(opened.ok)
  const { accountId } = opened
  const slowed = async () => {
    const found = (await eventsOf(parts.journal, accountStream(accountId))).filter(
      ({ type }) => type === 'SendingSlowed',
    )
    return found.map((event) => (event as { data: { reason: string; detail: string; until: number } }).data)
  }
  const sent: SubmissionRow[] = []
  const guardOf = (shared: boolean) =>
    new AccountSendingGuard({
      shared,
      journal: parts.journal,
      directory: {
        account: async () => ({ slowed: (await slowed()).at(-1) ?? null }) as unknown as DirectoryRow,
      },
      submissions: { submissions: async () => sent },
      limits: { account: { ...many, ...limits }, domain: { ...many, messagesPerHour: 50 } },
      log: () => undefined,
    })
  const guard = guardOf(false)
  const admit = (at: number, ...recipients: readonly string[]) =>
    guard.admit(accountId, 'ann@example.test', recipients.length > 0 ? recipients : ['b@x.test'], at)
  return { guard, guardOf, sent, accountId, admit, slowed }
}

describe('limits', () => {
  it('refuse what is too much, and let it through when the hour is over', async (t) => {
    const { admit, slowed, guard, accountId } = await guardWith(t, { messagesPerHour: 3 })
    for (let i = 0; i < 3; i++) assert.equal(await admit(START), undefined)
    const refusal = await admit(START)
    assert.equal(refusal?.code, 'sending-limit')
    assert.match(refusal?.message ?? '', /^More than 3 messages in an hour/)
    assert.deepEqual(
      (await slowed()).map(({ reason }) => reason),
      ['limit'],
    )
    assert.equal(await admit(START + 1.1 * HOUR), undefined, 'slowed is not stopped')
    assert.equal(await guard.notBefore(accountId, START), 0)
    assert.ok((await guard.notBefore(accountId, START)) > START, 'its mail leaves one after the other')
    assert.equal(await guard.notBefore(accountId, START + 25 * HOUR), 0)
  })
  it('count what other processes took, a minute later at the most', async (t) => {
    const { guardOf, sent, accountId } = await guardWith(t, { messagesPerHour: 3 })
    const [one, two] = [guardOf(true), guardOf(true)]
    const admit = async (guard: AccountSendingGuard, at: number) => {
      const refusal = await guard.admit(accountId, 'ann@example.test', ['b@x.test'], at)
      if (refusal === undefined)
        sent.push({ submittedAt: at, recipients: [{ address: 'b@x.test' }] } as unknown as SubmissionRow)
      return refusal?.code
    }
    assert.equal(await admit(two, START), undefined)
    assert.equal(await admit(one, START), undefined)
    assert.equal(await admit(one, START), undefined)
    assert.equal(await admit(two, START + 61_000), 'sending-limit')
  })
  it('count recipients, and the domain as a whole', async (t) => {
    const { admit } = await guardWith(t, { recipientsPerDay: 5 })
    assert.equal(await admit(START, 'a@x.test', 'b@x.test', 'c@x.test'), undefined)
    assert.match((await admit(START, 'a@x.test', 'b@x.test', 'c@x.test'))?.message ?? '', /recipients in a day/)
    const all = await guardWith(t)
    for (let i = 0; i < 50; i++) assert.equal(await all.admit(START), undefined)
    assert.match((await all.admit(START))?.message ?? '', /from example\.test/)
    assert.deepEqual(await all.slowed(), [], 'a busy domain is nobody taken over')
  })
})

describe('an account that looks taken over', () => {
  it('is slowed after a burst of bounces, once', async (t) => {
    const { guard, accountId, slowed } = await guardWith(t)
    await guard.settled(accountId, 100, 0, START)
    for (let i = 0; i < 60; i++) await guard.settled(accountId, 0, 1, START)
    const all = await slowed()
    assert.deepEqual(
      all.map(({ reason }) => reason),
      ['bounces'],
    )
    assert.equal(all[0]?.until, START + 24 * HOUR)
  })
  it('is slowed when it writes to many it never wrote to', async (t) => {
    const { admit, slowed } = await guardWith(t)
    for (let i = 0; i < 31; i++)
      await admit(START + 60_000 * i, ...Array.from({ length: 10 }, (_, n) => `r${i}.${n}@x.test`))
    assert.deepEqual(
      (await slowed()).map(({ reason }) => reason),
      ['new-recipients'],
    )
  })
  it('sends freely again when an administrator says so', () => {
    const slow: AccountEvent = {
      type: 'SendingSlowed',
      data: { accountId: 'a', reason: 'limit', detail: '', until: 9 },
    }
    assert.equal(evolve(noAccount, slow).slowedUntil, 9)
    assert.equal(evolve(evolve(noAccount, slow), { type: 'SendingResumed', data: { accountId: 'a' } }).slowedUntil, 0)
  })
})

it('counts slide', () => {
  const count = new SlidingCount()
  for (let minute = 0; minute < 180; minute++) count.add(1, START + minute * 60_000)
  const now = START + 179 * 60_000
  assert.ok(count.inHour(now) >= 55 && count.inHour(now) <= 65, `${count.inHour(now)}`)
  assert.equal(count.inDay(now), 180)
  assert.equal(count.inHour(now + 2 * HOUR), 0)
  assert.equal(count.inDay(now + 25 * HOUR), 0)
})
