// The words of audit verify, which decide whether it needs a data folder at all.
import { parse } from './arguments.ts'

export const VERIFY = {
  key: { type: 'string', multiple: true },
  since: { type: 'string', multiple: true },
  blobs: { type: 'string' },
  sign: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

/** Whether these words of `audit verify` name a file: then no server and no data folder are asked. */
export function namesFile(argv: readonly string[]): boolean {
  try {
    return parse(argv, VERIFY).positionals.length > 0
  } catch {
    return false
  }
}
