// Every event of Everpost under one type.
import { ACCOUNT_EVENT_TYPES, type AccountEvent, type AddressEvent, type DomainEvent } from './account/account.ts'
import { AUDIT_EVENT_TYPES, type AuditEvent } from './audit/audit.ts'
import { SIGNING_KEY_EVENT_TYPES, type SigningKeyEvent } from './delivery/signing-keys.ts'
import { INTAKE_EVENT_TYPES, type IntakeEvent } from './intake/intake.ts'
import type { Recorded } from './log.ts'
import { MAILBOX_EVENT_TYPES, type MailboxEvent } from './mailbox/mailbox.ts'
import { FILTER_MEMORY_EVENT_TYPES, type FilterMemoryEvent } from './sieve/memory.ts'
import { SUBMISSION_EVENT_TYPES, type SubmissionEvent } from './submission/submission.ts'

export type EverpostEvent =
  | MailboxEvent
  | AccountEvent
  | AddressEvent
  | DomainEvent
  | SigningKeyEvent
  | SubmissionEvent
  | IntakeEvent
  | AuditEvent
  | FilterMemoryEvent

export type RecordedEvent = Recorded<EverpostEvent>

export const EVENT_TYPES = [
  ...MAILBOX_EVENT_TYPES,
  ...ACCOUNT_EVENT_TYPES,
  'AddressClaimed',
  'DomainAdded',
  ...SIGNING_KEY_EVENT_TYPES,
  ...SUBMISSION_EVENT_TYPES,
  ...INTAKE_EVENT_TYPES,
  ...AUDIT_EVENT_TYPES,
  ...FILTER_MEMORY_EVENT_TYPES,
] as const satisfies readonly EverpostEvent['type'][]
