// Indexes the busy log in small batches and says so after each; killed by the test that started it.
import { Fts5Index } from '../../infra/adapters/search/fts5.ts'
import { busyLog } from './busy-log.ts'
import { TestLog } from './log.ts'

const [file = '', events = '0'] = process.argv.slice(2)
const index = new Fts5Index(file)
const log = busyLog(Number(events))
const from = Number((await index.checkpoint()) ?? 0n)
for (let at = from; at < log.events.length; at += 25) {
  const part = Object.assign(new TestLog(), { events: log.events.slice(0, at + 25) })
  await part.project(index, { batch: 25 })
  process.stdout.write('applied\n')
}
