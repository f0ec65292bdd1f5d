// What happened to a message, as its owner may see it.

import type { RecordedEvent } from '../../domain/events.ts'
import type { FilterVerdict } from '../../domain/filter/verdict.ts'
import { isRedacted, type Revision } from '../../domain/log.ts'
import type { DirectoryRow, FolderRow } from '../../projections/queries.ts'
import type { WebDependencies } from './dependencies.ts'

export interface HistoryEntry {
  readonly eventId: string
  readonly type: string
  readonly stream: string
  readonly revision: Revision
  readonly position: string
  /** Epoch milliseconds. */
  readonly at: number
  readonly actor: string
  readonly via: string
  readonly clientAddress: string | null
  readonly clientName: string | null
  /** One sentence. */
  readonly summary: string
  readonly correlationId: string
  readonly causationId: string
}

/** Longest history that is shown: the newest entries of a message that was touched more often. */
const MAX_ENTRIES = 1000

/** Oldest first; empty when nothing is known of the message in this account. */
export async function messageHistory(
  deps: Pick<WebDependencies, 'views' | 'source'>,
  account: DirectoryRow,
  messageId: string,
): Promise<readonly HistoryEntry[]> {
  const positions = await deps.views.timeline.messageHistory(account.id, messageId)
  if (positions.length === 0) return []
  const [events, folders] = await Promise.all([
    deps.source.readPositions(positions.slice(-MAX_ENTRIES)),
    deps.views.mailbox.folders(account.id),
  ])
  const entries: HistoryEntry[] = []
  for (const event of events) if (!isRedacted(event)) entries.push(historyEntry(event, account, folders))
  return entries
}

function historyEntry(event: RecordedEvent, account: DirectoryRow, folders: readonly FolderRow[]): HistoryEntry {
  const { actor, via, client, at, correlationId, causationId } = event.metadata
  const isOwn = actor === account.id
  // Of another person only that it was one: neither who nor from where.
  const isOther = !isOwn && /^[a-z2-7]{26}$/.test(actor)
  return {
    eventId: event.id,
    type: event.type,
    stream: event.stream,
    revision: event.revision,
    position: String(event.position),
    at,
    actor: isOwn ? account.address : isOther ? 'another account' : actor,
    via,
    clientAddress: isOther ? null : (client?.address ?? null),
    clientName: isOther ? null : (client?.name ?? null),
    summary: summarise(event, account, folders),
    correlationId,
    causationId,
  }
}

function summarise(event: RecordedEvent, account: DirectoryRow, folders: readonly FolderRow[]): string {
  const folder = (id: string) => folders.find((each) => each.id === id)?.name ?? 'a folder that is gone'
  switch (event.type) {
    case 'MailAccepted': {
      const section = event.data.sections[account.id]
      const from = section?.mailFrom ? ` from ${section.mailFrom}` : ''
      const by = section?.remoteAddress ? ` (${section.remoteAddress})` : ''
      return `Accepted${from}${by}${section ? ` for ${section.recipient}` : ''}`
    }
    case 'MessageReceived':
      return `Arrived in ${folder(event.data.folderId)} for ${event.data.recipient}${because(event.data.content.verdict)}`
    case 'MailQuarantined': {
      const section = event.data.sections[account.id]
      return `Held in quarantine${because(section?.verdict)}`
    }
    case 'MailReleased':
      return 'Released from quarantine'
    case 'QuarantineDropped':
      return 'Given up in quarantine'
    case 'MessageAppended': {
      const how = { append: 'Added to', draft: 'Saved as a draft in', sent: 'Kept in', import: 'Imported into' }
      return `${how[event.data.source]} ${folder(event.data.folderId)}`
    }
    case 'FlagsChanged': {
      const { add, remove } = event.data
      const parts = [
        ...add.map((flag) => MARKS[flag] ?? `Marked ${flag}`),
        ...remove.map((flag) => UNMARKS[flag] ?? `Took ${flag} away`),
      ]
      return parts.join(', ') || 'Flags changed'
    }
    case 'MessageMoved':
      return `Moved to ${folder(event.data.folderId)}`
    case 'MessageCopied':
      return `Copied to ${folder(event.data.folderId)}`
    case 'MessagesExpunged':
      return 'Deleted for good'
    case 'MessageRestored':
      return `Restored to ${folder(event.data.folderId)}`
    case 'MessageSubmitted':
      return `Handed in for ${event.data.recipients.length === 1 ? event.data.recipients[0]?.address : `${event.data.recipients.length} recipients`}`
    case 'SendCancelled':
      return 'Sending was cancelled'
    case 'RecipientDelivered':
      return `Delivered to ${event.data.recipient}: ${event.data.answer}`
    case 'RecipientDeferred':
      return `Not yet delivered to ${event.data.recipient}: ${event.data.answer}`
    case 'RecipientBounced':
      return `Could not be delivered to ${event.data.recipient}: ${event.data.answer}`
    case 'SubmissionCompleted':
      return 'Sending is complete'
    case 'AuditorAccessed':
      return 'Seen by an auditor'
    default:
      return event.type.replace(
        /([a-z])([A-Z])/g,
        (_all, end: string, start: string) => `${end} ${start.toLowerCase()}`,
      )
  }
}

/** The weightiest reasons that speak against it. */
function because(verdict: FilterVerdict | undefined): string {
  if (verdict === undefined || verdict.action === 'deliver') return ''
  const said = verdict.reasons.filter(({ score }) => score >= 0).slice(0, 3)
  return said.length === 0 ? '' : ` (${said.map(({ text, rule }) => text || rule).join('; ')})`
}

const MARKS: Readonly<Record<string, string>> = {
  '\\seen': 'Marked read',
  '\\flagged': 'Starred',
  '\\answered': 'Answered',
  '\\draft': 'Marked a draft',
  '\\deleted': 'Marked for deletion',
  $forwarded: 'Forwarded',
}
const UNMARKS: Readonly<Record<string, string>> = {
  '\\seen': 'Marked unread',
  '\\flagged': 'Star removed',
  '\\deleted': 'No longer marked for deletion',
}
