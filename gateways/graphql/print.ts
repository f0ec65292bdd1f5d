// Writes schema.graphql from the types; `--check` only says whether it is as it should be.
import { readFileSync, writeFileSync } from 'node:fs'
import { isCurrent, printedSchema } from './schema.ts'

const file = new URL('./schema.graphql', import.meta.url)
if (!process.argv.includes('--check')) writeFileSync(file, printedSchema())
else if (!isCurrent(readFileSync(file, 'utf8'))) {
  console.error('gateways/graphql/schema.graphql is stale: node gateways/graphql/print.ts')
  process.exitCode = 1
}
