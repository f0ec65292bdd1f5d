// What judges an incoming message before it is accepted: one engine a file, several at once.

import type { MailFacts } from '../../domain/filter/signals.ts'
import type { FilterOpinion } from '../../domain/filter/verdict.ts'
import type { AccountId } from '../../domain/log.ts'
import type { MailContent } from '../../domain/mail/structure.ts'

export interface MailToCheck {
  readonly intakeId: string
  /** Reverse-path; '' for a bounce. */
  readonly mailFrom: string
  readonly recipients: readonly { readonly accountId: AccountId; readonly address: string }[]
  readonly remoteAddress: string
  readonly helo: string
  /** Epoch milliseconds. */
  readonly at: number
  readonly mail: MailContent
  readonly facts: MailFacts
  readonly size: number
  /** All of a small message, the first MiB of a large one. */
  readonly beginning: Uint8Array
  /** The whole message in chunks, as often as asked. */
  read(): AsyncIterable<Uint8Array>
}

export interface Judgement {
  readonly opinion: FilterOpinion
  /** Where an account's own training says something else. */
  readonly ofAccount?: ReadonlyMap<AccountId, FilterOpinion>
  /** What the arrival event keeps so that the message can be learned from later. */
  readonly signals?: string
}

export interface MailFilter {
  /** Shown in reasons and log lines. */
  readonly name: string
  /**
   * Its opinion. Throws when the engine cannot be asked or answers nonsense; ends soon after `signal` aborts. Nothing that an engine
   * answers may cost unbounded memory.
   */
  check(message: MailToCheck, signal: AbortSignal): Promise<Judgement>
  close?(): Promise<void>
}
