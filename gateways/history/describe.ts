// One sentence for each event: what a person reads in a message's history.
import type { EverpostEvent } from '../../domain/events.ts'
import type { FilterVerdict } from '../../domain/filter/verdict.ts'
import type { IntakeSection } from '../../domain/intake/intake.ts'
import type { Redacted } from '../../domain/log.ts'

/** English, without a full stop; names of people and subjects as they are in the event. */
export function describeEvent(event: EverpostEvent | Redacted): string {
  if ('redacted' in event) return `${event.type}, erased`
  switch (event.type) {
    case 'FolderCreated':
      return `Folder ${event.data.name} created`
    case 'FolderRenamed':
      return `Folder renamed to ${event.data.name}`
    case 'FolderMoved':
      return 'Folder moved'
    case 'FolderDeleted':
      return 'Folder deleted'
    case 'FolderSubscribed':
      return event.data.subscribed ? 'Folder subscribed' : 'Folder unsubscribed'
    case 'MessageReceived': {
      const { mailFrom, recipient, content, filedBy } = event.data
      const by = filedBy ? ` (filed by ${filedBy.script}, line ${filedBy.line})` : ''
      return `Received from ${mailFrom || 'the mail system'} for ${recipient}: ${content.envelope.subject}${by}${judged(content.verdict)}`
    }
    case 'MessageAppended':
      return `${SOURCES[event.data.source]}: ${event.data.content.envelope.subject}`
    case 'FlagsChanged':
      return flagsChanged(event.data.add, event.data.remove, event.data.messageIds.length)
    case 'MessageMoved':
      return 'Moved to another folder'
    case 'MessageCopied':
      return 'Copied to another folder'
    case 'MessagesExpunged':
      return event.data.messageIds.length === 1
        ? 'Deleted for good'
        : `${event.data.messageIds.length} messages deleted for good`
    case 'MessageRestored':
      return 'Restored'
    case 'AccountOpened':
      return `Account ${event.data.address} opened as ${event.data.role}`
    case 'AddressAdded':
      return `Address ${event.data.address} added (${event.data.kind})`
    case 'PasswordChanged':
      return 'Password changed'
    case 'AppPasswordAdded':
      return `App password or token "${event.data.label}" added`
    case 'AppPasswordRevoked':
      return 'App password or token revoked'
    case 'QuotaChanged':
      return event.data.bytes === null ? 'Quota removed' : `Quota set to ${event.data.bytes} bytes`
    case 'FilterRulesChanged':
      return `Filter rules ${event.data.name} changed`
    case 'FilterRulesRenamed':
      return `Filter rules ${event.data.name} renamed to ${event.data.newName}`
    case 'FilterRulesDeleted':
      return `Filter rules ${event.data.name} deleted`
    case 'FilterRulesActivated':
      return event.data.name === null ? 'No filter rules in force' : `Filter rules ${event.data.name} put in force`
    case 'LegalHoldPlaced':
      return `Legal hold placed: ${event.data.reason}`
    case 'LegalHoldReleased':
      return 'Legal hold released'
    case 'SendingSlowed':
      return `Sending slowed: ${event.data.detail}`
    case 'SendingResumed':
      return 'Sending at full speed again'
    case 'FolderShared':
      return event.data.rights === ''
        ? 'A folder is no longer shared'
        : `A folder shared, with rights ${event.data.rights}`
    case 'AnnotationChanged':
      return `Annotation ${event.data.entry} ${event.data.value === null ? 'removed' : 'changed'}`
    case 'AccountErased':
      return 'Account erased'
    case 'AddressClaimed':
      return 'Address claimed'
    case 'DomainAdded':
      return `Domain ${event.data.name} added`
    case 'DkimKeyAdded':
      return `Signing key ${event.data.selector} of ${event.data.name} added (${event.data.algorithm})`
    case 'DkimKeyRetired':
      return `Signing key ${event.data.selector} of ${event.data.name} retired`
    case 'MessageSubmitted':
      return `Submitted to ${event.data.recipients.length} recipients: ${event.data.subject}`
    case 'SendCancelled':
      return 'Sending cancelled'
    case 'SendingStarted':
      return event.data.recipients ? `Sending to ${event.data.recipients.length} recipients` : 'Sending'
    case 'RetryRequested':
      return 'Another attempt asked for'
    case 'RecipientDelivered':
      return `Delivered to ${event.data.recipient}: ${event.data.answer}`
    case 'RecipientDeferred':
      return `Deferred for ${event.data.recipient}: ${event.data.answer}`
    case 'RecipientBounced':
      return `Bounced for ${event.data.recipient}: ${event.data.answer}`
    case 'SubmissionCompleted':
      return 'Submission completed'
    case 'SenderNotified':
      return `${NOTICES[event.data.notice]}: ${event.data.recipients.join(', ')}`
    case 'RecipientReported':
      return `Report for ${event.data.recipient}: ${event.data.action}, ${event.data.answer}`
    case 'MailAccepted':
      return `Accepted by SMTP, ${event.data.size} bytes${Object.values(event.data.sections).map(rulesSaid).join('')}`
    case 'MailRejected':
      return `Rejected by SMTP: ${event.data.code} ${event.data.reason}`
    case 'MailQuarantined':
      return `Quarantined: ${event.data.reason}`
    case 'MailReleased':
      return 'Released from quarantine'
    case 'QuarantineDropped':
      return 'Dropped from quarantine'
    case 'TreeHeadSigned':
      return `Tree head of ${event.data.size} events signed`
    case 'AuditorAccessed':
      return `Auditor ${event.data.auditor} read ${event.data.what}: ${event.data.reason}`
    case 'ExportMade':
      return `Export of ${event.data.messages} messages made`
    case 'AutomaticReplySent':
      return `Answered automatically, not again before ${new Date(event.data.until).toISOString()}`
    case 'DuplicateNoted':
      return `Noted as seen until ${new Date(event.data.until).toISOString()}`
    case 'ProjectionRebuilt':
      return `Projection ${event.data.projection} rebuilt, generation ${event.data.generation}`
    default: {
      const _: never = event
      return _
    }
  }
}

function rulesSaid({ rules }: IntakeSection): string {
  if (!rules) return ''
  const actions = rules.actions.map(({ action, line, detail, note }) =>
    [line === undefined ? '' : `line ${line}`, action, detail ?? '', note ? `(${note})` : ''].filter(Boolean).join(' '),
  )
  const problem = rules.problem ? [`line ${rules.problem.line} failed: ${rules.problem.message}`] : []
  return `; rules ${rules.script}: ${[...actions, ...problem].join(', ')}`
}

/** What the filters decided, with their reasons, for mail that they did not simply deliver. */
function judged(verdict: FilterVerdict | undefined): string {
  if (verdict === undefined || verdict.action === 'deliver') return ''
  const reasons = verdict.reasons.map(({ engine, rule, score }) => `${engine}/${rule} ${score}`).join(', ')
  return ` [${verdict.action}, ${verdict.score} points: ${reasons}]`
}

const SOURCES = {
  append: 'Added by a mail program',
  draft: 'Draft saved',
  sent: 'Sent copy kept',
  import: 'Imported',
} as const

const NOTICES = {
  failed: 'Sender told of the failure',
  delayed: 'Sender told of the delay',
  delivered: 'Sender told of the delivery',
} as const

const ADDED: Readonly<Record<string, string>> = {
  '\\seen': 'Marked read',
  '\\flagged': 'Starred',
  '\\answered': 'Answered',
  $forwarded: 'Forwarded',
  '\\deleted': 'Marked for deletion',
  '\\draft': 'Marked as a draft',
}
const REMOVED: Readonly<Record<string, string>> = {
  '\\seen': 'Marked unread',
  '\\flagged': 'Star removed',
  '\\deleted': 'Deletion mark removed',
}

function flagsChanged(add: readonly string[], remove: readonly string[], messages: number): string {
  const said = [
    ...add.map((flag) => ADDED[flag] ?? `Marked ${flag}`),
    ...remove.map((flag) => REMOVED[flag] ?? `Mark ${flag} removed`),
  ]
  return said.join(', ') + (messages > 1 ? ` (${messages} messages)` : '')
}
