// The events of `intake-<day>-<shard>` streams: one incoming SMTP transaction each, with one section per account concerned.
import type { BlobRef } from '../mailbox/mailbox.ts'

/** What an account may know of a transaction that brought it mail. Sealed under that account's key alone. */
export interface IntakeSection {
  readonly messageId: string
  readonly mailFrom: string
  readonly recipient: string
  readonly blob: BlobRef
  readonly remoteAddress?: string
  readonly helo?: string
  /** What the account's filter rules made of it; absent when it has none. */
  readonly rules?: RulesOutcome
}

export interface RulesOutcome {
  /** Name of the script. */
  readonly script: string
  /** In order, at most ten; texts are cut. */
  readonly actions: readonly RulesAction[]
  /** Why the script did not come to its end: then the message was kept. */
  readonly problem?: { readonly line: number; readonly column: number; readonly message: string }
}

export interface RulesAction {
  readonly action: 'keep' | 'fileinto' | 'redirect' | 'discard' | 'reject' | 'vacation'
  /** Absent for the implicit keep. */
  readonly line?: number
  /** The folder, the address, the reason. */
  readonly detail?: string
  /** Why it was not done, or done otherwise. */
  readonly note?: string
}

/** `sections` is keyed by account id; the section of an erased account is absent when read back. */
export type IntakeEvent =
  | {
      type: 'MailAccepted'
      data: { intakeId: string; receivedAt: number; size: number; sections: Readonly<Record<string, IntakeSection>> }
    }
  | { type: 'MailRejected'; data: { intakeId: string; code: number; reason: string } }
  | {
      type: 'MailQuarantined'
      data: {
        intakeId: string
        receivedAt: number
        size: number
        reason: string
        sections: Readonly<Record<string, IntakeSection>>
      }
    }
  | { type: 'MailReleased'; data: { intakeId: string; sections: Readonly<Record<string, IntakeSection>> } }

export const INTAKE_EVENT_TYPES = [
  'MailAccepted',
  'MailRejected',
  'MailQuarantined',
  'MailReleased',
] as const satisfies readonly IntakeEvent['type'][]
