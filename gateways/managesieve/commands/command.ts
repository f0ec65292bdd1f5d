// What a ManageSieve command is, and the arguments that most have.
import type { AccountId } from '../../../domain/log.ts'
import type { ManageSieveConnection } from '../connection.ts'
import { Refused } from '../refused.ts'
import type { Word } from '../words.ts'

export interface Command {
  readonly when: 'any' | 'signed-out' | 'signed-in'
  run(connection: ManageSieveConnection, words: readonly Word[]): void | Promise<void>
}

/** The arguments when they are so many strings; else the command is refused. */
export function strings(words: readonly Word[], count: number): readonly string[] {
  const texts = words.flatMap((word) => (word.kind === 'string' ? [word.text] : []))
  if (texts.length === count && words.length === count) return texts
  throw new Refused(count === 0 ? 'This command takes no arguments' : `This command takes ${count} strings`)
}

/** The account of a command that is only allowed with one. */
export function accountOf({ account }: ManageSieveConnection): AccountId {
  if (!account) throw new Refused('Sign in first')
  return account.id
}
