// The events of `intake-<day>-<shard>` streams: one incoming SMTP transaction each, with one section per account concerned.
import type { FilterVerdict } from '../filter/verdict.ts'
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
  /** What the filters said, with the weightiest reasons; absent where none was asked. */
  readonly verdict?: FilterVerdict
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

/** What a list of quarantined mail shows of one, beside what every section has. */
export interface QuarantineSection extends IntakeSection {
  readonly from: string
  readonly subject: string
  readonly verdict: FilterVerdict
  /** What the arrival event keeps for the classifier, should it be released. */
  readonly signals?: string
}

export interface QuarantineEnd {
  readonly messageId: string
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
        sections: Readonly<Record<string, QuarantineSection>>
      }
    }
  /** Delivered after all: a MessageReceived of the same commit brings it into the mailbox. */
  | { type: 'MailReleased'; data: { intakeId: string; sections: Readonly<Record<string, QuarantineEnd>> } }
  /** Given up by its owner or an administrator. */
  | { type: 'QuarantineDropped'; data: { intakeId: string; sections: Readonly<Record<string, QuarantineEnd>> } }

export const INTAKE_EVENT_TYPES = [
  'MailAccepted',
  'MailRejected',
  'MailQuarantined',
  'MailReleased',
  'QuarantineDropped',
] as const satisfies readonly IntakeEvent['type'][]
