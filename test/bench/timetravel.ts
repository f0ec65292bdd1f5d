// How long the listing of a mailbox of 100,000 events at a moment takes: reading, unsealing, applying, the first page.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mailboxStream } from '../../domain/log.ts'
import { openEventSource } from '../../infra/adapters/journal/open-source.ts'
import { MemoryMailbox } from '../../infra/adapters/views/memory-mailbox.ts'
import { splitSource } from '../../infra/time-travel/split-source.ts'
import { applyMailboxEvent } from '../../projections/mailbox/projector.ts'
import type { SourceEvent } from '../../projections/ports/event-source.ts'
import { mailboxAt } from '../../projections/time-travel.ts'
import { report, seed } from './seed.ts'

const EVENTS = Number(process.env['EVENTS'] ?? 100_000)
const folder = mkdtempSync(join(tmpdir(), 'everpost-bench-'))
try {
  const seeded = await seed({ folder, events: EVENTS + 5, accounts: 1, mix: [0.4, 0.4, 0.15] })
  const account = seeded.accounts[0] ?? ''
  const source = await openEventSource(seeded.source)
  const open = () => {
    const store = new MemoryMailbox()
    return { store, queries: store.queries }
  }

  const samples: number[] = []
  for (let i = 0; i < 5; i++) {
    const began = performance.now()
    const moment = await mailboxAt(splitSource(source, seeded.source), account, { time: seeded.lastAt }, open)
    const inbox = (await moment.queries.folders(account)).find((each) => each.role === 'inbox')
    await moment.queries.messages(account, inbox?.id ?? '', { first: 50 })
    samples.push(performance.now() - began)
  }
  const median = samples.toSorted((a, b) => a - b)[2] ?? 0
  report('timetravel', 'listing of a folder at a moment', median, 'ms', EVENTS, samples)

  const events: SourceEvent[] = []
  const reads: number[] = []
  const began = performance.now()
  for await (const page of source.readPages(mailboxStream(account))) events.push(...page)
  reads.push(performance.now() - began)
  report(
    'timetravel',
    'reading and unsealing alone',
    (reads[0] ?? 0) / (events.length / 1000),
    'µs/event',
    events.length,
  )

  const applies: number[] = []
  for (let i = 0; i < 5; i++) {
    const store = new MemoryMailbox()
    const start = performance.now()
    const unit = store.begin()
    for (const event of events) applyMailboxEvent(unit, event)
    store.commit(unit, events.at(-1)?.position ?? 0n, [])
    applies.push(((performance.now() - start) * 1000) / events.length)
  }
  report('timetravel', 'applying alone', applies.toSorted((a, b) => a - b)[2] ?? 0, 'µs/event', events.length, applies)
  await source.close()
} finally {
  rmSync(folder, { recursive: true })
}
