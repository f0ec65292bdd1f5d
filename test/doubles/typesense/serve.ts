// The Typesense double as a program: node test/doubles/typesense/serve.ts --port N [--key KEY] [--file LOG]. Prints its address when it serves.
// Kill it: with a file, what it answered is there after the next start.
import { parseArgs } from 'node:util'
import { TypesenseDouble } from './server.ts'

const { values } = parseArgs({
  options: { port: { type: 'string', default: '0' }, key: { type: 'string' }, file: { type: 'string' } },
})
const double = await TypesenseDouble.start({
  port: Number(values.port),
  ...(values.key === undefined ? {} : { key: values.key }),
  ...(values.file === undefined ? {} : { file: values.file }),
})
process.stdout.write(`${double.url}\n`)
process.once('SIGTERM', () => void double.stop())
