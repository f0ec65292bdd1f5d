// What a command is: its name, when it may be given, how it is read and what it does.

import type { MailContent } from '../../../domain/mail/structure.ts'
import type { BlobRef } from '../../../domain/mailbox/mailbox.ts'
import type { Arguments } from '../arguments.ts'
import type { Connection } from '../connection.ts'
import type { Session } from '../session.ts'

/** A message of an APPEND that went straight to the blob store. */
export interface StoredMessage {
  readonly blob: BlobRef
  readonly mail: MailContent
  /** Where storing it still goes on. */
  readonly durable?: Promise<void>
}

export type CommandArguments = Arguments<StoredMessage>

/** Where in the protocol a command is allowed (RFC 9051 §6). */
export type When = 'any' | 'before-sign-in' | 'signed-in' | 'selected'

export interface Answer {
  /** Without the tag: `FETCH completed`. By default `NAME completed`. */
  readonly text?: string
  /** `[…]` without its brackets. */
  readonly code?: string
  /** Departures are not told after a command that uses sequence numbers (RFC 9051 §7.5.1). */
  readonly holdExpunges?: boolean
  /** Changes by this command that its answer told already. */
  readonly quiet?: ReadonlySet<number>
  /** Done once the tagged answer is out: STARTTLS, COMPRESS, LOGOUT. */
  readonly after?: () => void | Promise<void>
}

export interface Command {
  readonly name: string
  readonly when: When
  /** The variant with UIDs is the same command behind `UID `. */
  readonly uid?: boolean
  run(session: Session, args: CommandArguments, how: How): Promise<Answer> | Answer
}

export interface How {
  /** Given behind `UID `. */
  readonly byUid: boolean
  /** For answers that name their command (RFC 4731 §3.1). */
  readonly tag: string
  readonly connection: Connection
}
