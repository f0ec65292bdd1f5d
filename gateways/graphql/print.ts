// Writes schema.graphql from the types; `--check` only says whether it is as it should be.
import { readFileSync, writeFileSync } from 'node:fs'
import { printedSchema } from './schema.ts'

const file = new URL('./schema.graphql', import.meta.url)
const printed = printedSchema()
if (!process.argv.includes('--check')) writeFileSync(file, printed)
else if (readFileSync(file, 'utf8') !== printed) {
  console.error('gateways/graphql/schema.graphql is stale: node gateways/graphql/print.ts')
  process.exitCode = 1
}
