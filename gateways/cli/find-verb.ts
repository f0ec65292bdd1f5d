// Which verb a command line names: all that a caller needs who sends it to a running server.
import { VERBS } from './help.ts'
import { namesFile } from './verify-words.ts'

/** The name of the verb that the words begin with, and the words behind it. */
export function findVerb(
  argv: readonly string[],
): { readonly name: string; readonly rest: readonly string[] } | undefined {
  const two = argv.slice(0, 2).join(' ')
  if (Object.hasOwn(VERBS, two)) return { name: two, rest: argv.slice(2) }
  const [one] = argv
  return one !== undefined && Object.hasOwn(VERBS, one) ? { name: one, rest: argv.slice(1) } : undefined
}

/** Whether the words ask for nothing that a data folder or a server has: such a verb is run by `runAlone` of run.ts. */
export const runsAlone = (name: string, argv: readonly string[]): boolean => name === 'audit verify' && namesFile(argv)
