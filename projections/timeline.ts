// Where in the log the events of an account and of each of its messages are: history pages read them from there.
import { EVENT_TYPES } from '../domain/events.ts'
import { type AccountId, accountOfStream, isRedacted } from '../domain/log.ts'
import type { SourceEvent } from './ports/event-source.ts'
import type { Projector, TimelineUnit } from './ports/view-store.ts'

export const timelineProjector: Projector<TimelineUnit> = {
  name: 'timeline',
  version: 2,
  prefixes: ['mailbox-', 'account-', 'submission-', 'intake-', 'audit-log'],
  types: new Set<string>(EVENT_TYPES),
  apply,
}

function apply(unit: TimelineUnit, event: SourceEvent): void {
  const position = Number(event.position)
  const owner = accountOfStream(event.stream)
  if (event.type === 'AccountErased') {
    if (owner !== undefined) erase(unit, owner)
    return
  }
  if (isRedacted(event)) return
  if (owner !== undefined) ofAccount(unit, owner, position)

  switch (event.type) {
    case 'MessageReceived':
    case 'MessageAppended':
    case 'MessageMoved':
    case 'MessageRestored':
      if (owner !== undefined) ofMessage(unit, owner, event.data.messageId, position)
      return
    case 'MessageCopied':
      if (owner === undefined) return
      ofMessage(unit, owner, event.data.messageId, position)
      ofMessage(unit, owner, event.data.copyId, position)
      return
    case 'FlagsChanged':
    case 'MessagesExpunged':
      if (owner !== undefined) for (const id of event.data.messageIds) ofMessage(unit, owner, id, position)
      return
    case 'MailAccepted':
    case 'MailQuarantined':
    case 'MailReleased':
    case 'QuarantineDropped':
      for (const [account, section] of Object.entries(event.data.sections)) {
        ofAccount(unit, account, position)
        ofMessage(unit, account, section.messageId, position)
      }
      return
    case 'MessageSubmitted': {
      const { submissionId, accountId, messageId } = event.data
      unit.sent.put(submissionId, { accountId, messageId })
      ofAccount(unit, accountId, position)
      ofMessage(unit, accountId, messageId, position)
      return
    }
    case 'SendCancelled':
    case 'SendingStarted':
    case 'RetryRequested':
    case 'SenderNotified':
    case 'RecipientReported':
    case 'RecipientDelivered':
    case 'RecipientDeferred':
    case 'RecipientBounced':
    case 'SubmissionCompleted': {
      const sent = unit.sent.get(event.data.submissionId)
      if (sent === undefined) return
      ofAccount(unit, sent.accountId, position)
      ofMessage(unit, sent.accountId, sent.messageId, position)
      return
    }
    case 'AuditorAccessed':
    case 'ExportMade':
      ofAccount(unit, event.data.accountId, position)
      return
    default:
      // Facts about folders and people are the account's alone; those about nobody have no timeline.
      return
  }
}

function ofAccount(unit: TimelineUnit, account: AccountId, position: number): void {
  const list = unit.ofAccount.get(account)
  if (list === undefined) unit.ofAccount.set(account, [position])
  else if (list.at(-1) !== position) list.push(position)
}

function ofMessage(unit: TimelineUnit, account: AccountId, messageId: string, position: number): void {
  let messages = unit.ofMessage.get(account)
  if (messages === undefined) {
    messages = new Map()
    unit.ofMessage.set(account, messages)
  }
  const list = messages.get(messageId)
  if (list === undefined) messages.set(messageId, [position])
  else if (list.at(-1) !== position) list.push(position)
}

function erase(unit: TimelineUnit, account: AccountId): void {
  unit.ofAccount.delete(account)
  unit.ofMessage.delete(account)
  for (const [id, sent] of unit.sent.entries()) if (sent.accountId === account) unit.sent.delete(id)
  unit.erased.add(account)
}
