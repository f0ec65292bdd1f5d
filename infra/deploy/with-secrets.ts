// node infra/deploy/with-secrets.ts PROGRAM WORDS…: runs it in this process, with secrets read from their files.
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { withSecrets } from './secrets.ts'

try {
  Object.assign(process.env, withSecrets(process.env))
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exit(1)
}
const [program = '', ...words] = process.argv.slice(2)
const path = resolve(program)
process.argv.splice(1, process.argv.length, path, ...words)
await import(pathToFileURL(path).href)
