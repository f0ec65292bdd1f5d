// What a POP3 command is.

import type { Pop3Connection } from '../connection.ts'
import type { Maildrop } from '../maildrop.ts'
import { Refused } from '../refused.ts'

export interface Command {
  readonly when: 'any' | 'authorization' | 'transaction'
  /** `rest` is what follows the name and a space. */
  run(connection: Pop3Connection, rest: string): void | Promise<void>
}

/** The maildrop of a command that is only allowed with one. */
export function maildropOf({ maildrop }: Pop3Connection): Maildrop {
  if (!maildrop) throw new Refused('Sign in first')
  return maildrop
}

/** A message number that stands for a message. */
export function numberOf(maildrop: Maildrop, text: string): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (maildrop.has(number)) return number
  if (maildrop.isDeleted(number)) throw new Refused('This message is marked as deleted')
  throw new Refused('There is no such message')
}
