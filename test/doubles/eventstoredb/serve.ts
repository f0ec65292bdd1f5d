// The EventStoreDB double as a program: node test/doubles/eventstoredb/serve.ts --port N [--file LOG]. Prints its address when it
// serves; SIGTERM ends it. Kill it: with a file, what it acknowledged is there after the next start.
import { parseArgs } from 'node:util'
import { EventStoreDouble } from './server.ts'

const { values } = parseArgs({ options: { port: { type: 'string', default: '0' }, file: { type: 'string' } } })
const double = await EventStoreDouble.start({
  port: Number(values.port),
  ...(values.file === undefined ? {} : { file: values.file }),
})
process.stdout.write(`${double.url}\n`)
process.once('SIGTERM', () => void double.stop())
