// The Typesense double as a program: node test/doubles/typesense/serve.ts --port N [--key KEY]. Prints its address when it serves.
import { parseArgs } from 'node:util'
import { TypesenseDouble } from './server.ts'

const { values } = parseArgs({ options: { port: { type: 'string', default: '0' }, key: { type: 'string' } } })
const double = await TypesenseDouble.start({
  port: Number(values.port),
  ...(values.key === undefined ? {} : { key: values.key }),
})
process.stdout.write(`${double.url}\n`)
process.once('SIGTERM', () => void double.stop())
