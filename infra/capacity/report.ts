// node infra/capacity/report.ts: writes docs/explanation/capacity.md with its plots. What it says follows from model.ts and simulate.ts alone.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CELL, cells, demand, LOAD, MEASURED, network, storage } from './model.ts'
import { bars } from './plot.ts'
import { MEASURED_COSTS, projectorSpeedup, simulate } from './simulate.ts'

const DOCS = join(import.meta.dirname, '../../docs/explanation')

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB', 'EB']
function bytes(value: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3))
  return `${number(value / 1000 ** power)} ${UNITS[power]}`
}
const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : String(Math.round(value * 100) / 100)
const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n')

export function capacityPage(): { readonly page: string; readonly plots: Readonly<Record<string, string>> } {
  const asked = demand(LOAD)
  const plan = cells(LOAD, MEASURED, CELL)
  const stored = storage(LOAD, MEASURED, CELL)
  const simulated = simulate()
  const sizes = [1e6, 1e7, 1e8, 1e9]
  const plots = {
    'capacity-storage.svg': bars(
      'Storage of one year, petabytes',
      stored.map(({ what, bytes: value }) => ({ label: what, value: value / 1e15 })),
    ),
    'capacity-cells.svg': bars(
      'Cells by number of accounts',
      sizes.map((accounts) => ({
        label: accounts.toExponential(0).replace('e+', ' x 10^'),
        value: cells({ ...LOAD, accounts }, MEASURED, CELL).cells,
      })),
    ),
    'capacity-cells-by-store.svg': bars(
      'Cells by what one event store bears (appends a second)',
      [2_000, 7_500, 15_000, 50_000].map((eventStoreAppends) => ({
        label: number(eventStoreAppends),
        value: cells(LOAD, MEASURED, { ...CELL, eventStoreAppends }).cells,
      })),
    ),
  }
  const named = (of: Readonly<Record<string, number>>) =>
    Object.entries(of).map(([name, value]) => [`\`${name}\``, number(value)])
  const page = `# Capacity: 10^9 accounts

<!-- Written by \`node infra/capacity/report.ts\`: change infra/capacity/model.ts, not this page. -->

What ${number(LOAD.accounts)} accounts need that send ${LOAD.sendsPerDay} and receive ${LOAD.arrivalsPerDay} messages a day each. The design answers with
*cells*: one event store, its views, its index, its bucket, and the processes around them. A cell never grows; there are more of them.

## Asked

${table(
  ['', 'a second, mean', `in the busiest hour (x ${LOAD.peak})`],
  [
    ['sends', number(asked.sendsPerSecond), number(asked.sendsPerSecond * LOAD.peak)],
    ['arrivals', number(asked.arrivalsPerSecond), number(asked.arrivalsPerSecond * LOAD.peak)],
    ['reads, moves, deletes', number(asked.changesPerSecond), number(asked.changesPerSecond * LOAD.peak)],
    ['events', number(asked.eventsPerSecond), number(asked.peakEventsPerSecond)],
  ],
)}

## Cells

A cell is bounded by **${plan.boundBy}**: ${number(plan.accountsPerCell)} accounts, so ${number(plan.cells)} cells.

${table(
  ['limit', 'accounts that it bears'],
  plan.limits.map(({ what, accounts }) => [what, number(accounts)]),
)}

In each: ${plan.processes.smtp} SMTP machines of two cores, ${plan.processes.projector} projector processes, ${plan.processes.index} that index, ${plan.processes.sessions} of 8 GB for
sessions that listen.

![Cells by number of accounts](capacity-cells.svg)

The event store is what a cell is for, so what it bears decides how many there are:

![Cells by what one event store bears](capacity-cells-by-store.svg)

## Storage of one year

${table(
  ['', 'a year'],
  stored.map(({ what, bytes: value }) => [what, bytes(value)]),
)}

![Storage of one year](capacity-storage.svg)

What costs: objects, and memory for search. All words of a year in memory would be twelve times as much, so only the newest month is
there; older mail is found in index files on disk, more slowly. Packing, mail that recipients share, and what people delete make the bucket ${percent((stored[2]?.bytes ?? 0) / ((stored[0]?.bytes ?? 1) + (stored[1]?.bytes ?? 0)))} of
what was asked, copies counted. Attachments are two thirds of it: storing the same attachment once for all who get it would save most,
and would need keys that are not an account's own; it is not done.

## Network in the busiest hour

${table(
  ['', 'a second'],
  network(LOAD).map(({ what, bytesPerSecond }) => [what, bytes(bytesPerSecond)]),
)}

## Placement, simulated

Accounts hash into 16,384 slots, slots are given to cells by highest random weight, and a table of exceptions holds slots that were moved. 200,000
accounts on 40 cells, some with ten thousand times the mail of others:

${table(
  ['', ''],
  [
    ['fullest cell, in accounts', `${number(simulated.fullest)} x the mean`],
    ['busiest cell, in mail', `${number(simulated.busiest)} x`],
    [
      'busiest cell after moving hot slots',
      `${number(simulated.busiestAfterMoving)} x, moving ${percent(simulated.moved)} of the accounts`,
    ],
    [
      'a cell is lost',
      `${percent(simulated.lost)} of the accounts wait until it is back or restored elsewhere; spread over the others, the busiest has ${number(simulated.loadAfterLoss)} x the mean`,
    ],
    [
      'a cell is split',
      `${percent(simulated.splitMoves)} of its accounts move, by \`migrate-engine\` of their streams; nobody else's`,
    ],
  ],
)}

## Projectors, simulated

Accounts are in 64 partitions, which the projectors of a cell divide among themselves. Several on cores of their own, from the costs that
\`npm run bench -- cluster\` measured (${number(MEASURED_COSTS.cpuMs)} ms of processor an event, ${number(MEASURED_COSTS.waitMs)} ms waiting) and an engine of ${MEASURED_COSTS.engineCores} cores:

${table(
  ['projectors', 'times one, least of 10 namings'],
  [1, 2, 3, 6, 12].map((processes) => [
    String(processes),
    number(Math.min(...Array.from({ length: 10 }, (_, seed) => projectorSpeedup(processes, MEASURED_COSTS, seed)))),
  ]),
)}

## Assumptions

People and mail (\`LOAD\`):

${table(['name', 'value'], named(LOAD))}

Engines of a cell (\`CELL\`):

${table(['name', 'value'], named(CELL))}

Measured by our own benchmarks on two cores (\`MEASURED\`; the comment of each in [model.ts](../../infra/capacity/model.ts) names its benchmark):

${table(['name', 'value'], named(MEASURED))}

Not in it: filtering by rspamd and ClamAV, TLS of peers, people's page views, prices.
`
  return { page, plots }
}

if (process.argv[1]?.endsWith('report.ts')) {
  const { page, plots } = capacityPage()
  mkdirSync(DOCS, { recursive: true })
  writeFileSync(join(DOCS, 'capacity.md'), page)
  for (const [name, plot] of Object.entries(plots)) writeFileSync(join(DOCS, name), plot)
  process.stdout.write(`Wrote ${join(DOCS, 'capacity.md')}\n`)
}
