// The real mail that the MIME tests and benchmarks read: EVERPOST_MAIL, or the folder shared/mail beside the repository.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const FOLDER = process.env['EVERPOST_MAIL'] ?? join(import.meta.dirname, '../../../shared/mail')

/** Why corpus tests are skipped, or false when the mail is there: for `test(name, { skip })`. */
export const NO_CORPUS: string | false = existsSync(FOLDER)
  ? false
  : 'the corpus of real mail is missing: set EVERPOST_MAIL to a folder of .eml files'

export interface CorpusMail {
  readonly name: string
  readonly raw: Buffer
}

let loaded: readonly CorpusMail[] | undefined

/** Every .eml below the folder, sorted by name; empty when the folder is missing. */
export function corpus(): readonly CorpusMail[] {
  if (NO_CORPUS !== false) return []
  loaded ??= readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.eml'))
    .sort()
    .map((name) => ({ name, raw: readFileSync(join(FOLDER, name)) }))
  return loaded
}
