// What the mail filter derives from the log: mail that is held in quarantine, and what people taught by moving mail to and from Junk.
import { decodeSignals } from '../domain/filter/assess.ts'
import { featuresOf } from '../domain/filter/features.ts'
import type { Label } from '../domain/filter/model.ts'
import { accountOfStream, isRedacted } from '../domain/log.ts'
import type { MessageContent } from '../domain/mailbox/mailbox.ts'
import type { SourceEvent } from './ports/event-source.ts'
import type { ArrivedMessage, FilterUnit, Projector } from './ports/view-store.ts'

/** Examples of one account that are kept: the newest. */
export const MAX_EXAMPLES = 1000

export const filterProjector: Projector<FilterUnit> = {
  name: 'filter',
  version: 1,
  prefixes: ['mailbox-', 'intake-', 'account-'],
  types: new Set<string>([
    'FolderCreated',
    'MessageReceived',
    'MessageAppended',
    'MessageCopied',
    'MessageMoved',
    'MessageRestored',
    'FlagsChanged',
    'MailQuarantined',
    'MailReleased',
    'QuarantineDropped',
    'AccountErased',
  ]),
  apply,
}

/** The features of an arrival, from its event alone. Needs the extracted text. */
export const featuresOfArrival = ({ envelope, text, signals }: MessageContent): Uint32Array =>
  featuresOf({ envelope, text, signals: decodeSignals(signals) })

/** Messages whose content an event may need: what to load before it is applied. */
export function taughtBy(event: SourceEvent): readonly string[] {
  if (isRedacted(event)) return []
  switch (event.type) {
    case 'MessageMoved':
      return [event.data.messageId]
    case 'MessageCopied':
      return [event.data.messageId]
    case 'FlagsChanged':
      return labelOfFlags(event.data.add) === undefined ? [] : event.data.messageIds
    default:
      return []
  }
}

/** Marks that programs set beside or instead of moving (RFC 5788 registers `$Junk` and `$NotJunk`); an answer or a star says as much. */
function labelOfFlags(added: readonly string[]): { readonly label: Label; readonly weak: boolean } | undefined {
  if (added.includes('$junk')) return { label: 'spam', weak: false }
  if (added.includes('$notjunk')) return { label: 'ham', weak: false }
  if (added.includes('\\answered') || added.includes('\\flagged')) return { label: 'ham', weak: true }
  return undefined
}

function apply(unit: FilterUnit, event: SourceEvent): void {
  const owner = accountOfStream(event.stream)
  if (event.type === 'AccountErased') {
    if (owner !== undefined) unit.erase(owner)
    return
  }
  if (isRedacted(event)) return
  if (owner === undefined) {
    ofIntake(unit, event)
    return
  }
  const position = Number(event.position)
  switch (event.type) {
    case 'FolderCreated': {
      const { role, folderId } = event.data
      if (role !== 'junk' && role !== 'trash') return
      const folders = unit.folders.get(owner) ?? { account: owner, junk: '', trash: '' }
      unit.folders.put(owner, { ...folders, [role]: folderId })
      return
    }
    case 'MessageReceived':
    case 'MessageAppended': {
      const { messageId, folderId } = event.data
      const key = `${owner}/${messageId}`
      if (unit.arrivals.get(key) !== undefined) return
      unit.arrivals.put(key, { position, junk: isJunk(unit, owner, folderId), label: undefined })
      return
    }
    case 'MessageCopied': {
      const source = unit.arrivals.get(`${owner}/${event.data.messageId}`)
      const key = `${owner}/${event.data.copyId}`
      if (source === undefined || unit.arrivals.get(key) !== undefined) return
      // Programs without MOVE copy and then delete: the copy teaches what the move would have.
      const copy = { position: source.position, junk: source.junk, label: undefined }
      into(unit, owner, key, copy, event.data.folderId, position, event.data.messageId)
      return
    }
    case 'MessageRestored': {
      const key = `${owner}/${event.data.messageId}`
      const message = unit.arrivals.get(key)
      if (message !== undefined) unit.arrivals.put(key, { ...message, junk: isJunk(unit, owner, event.data.folderId) })
      return
    }
    case 'MessageMoved': {
      const key = `${owner}/${event.data.messageId}`
      const message = unit.arrivals.get(key)
      if (message !== undefined) into(unit, owner, key, message, event.data.folderId, position, event.data.messageId)
      return
    }
    case 'FlagsChanged': {
      const said = labelOfFlags(event.data.add)
      if (said === undefined) return
      for (const id of event.data.messageIds) {
        const key = `${owner}/${id}`
        const message = unit.arrivals.get(key)
        if (message === undefined || (said.weak && (message.label !== undefined || message.junk))) continue
        teach(unit, owner, key, message, said.label, position, id)
      }
      return
    }
    default:
      return
  }
}

const isJunk = (unit: FilterUnit, account: string, folderId: string): boolean =>
  unit.folders.get(account)?.junk === folderId

function into(
  unit: FilterUnit,
  account: string,
  key: string,
  message: ArrivedMessage,
  folderId: string,
  position: number,
  loadedAs: string,
): void {
  const junk = isJunk(unit, account, folderId)
  const moved = { ...message, junk }
  unit.arrivals.put(key, moved)
  if (junk && !message.junk) teach(unit, account, key, moved, 'spam', position, loadedAs)
  // Throwing junk away says that it was junk.
  else if (!junk && message.junk && unit.folders.get(account)?.trash !== folderId)
    teach(unit, account, key, moved, 'ham', position, loadedAs)
}

function teach(
  unit: FilterUnit,
  account: string,
  key: string,
  message: ArrivedMessage,
  label: Label,
  position: number,
  loadedAs: string,
): void {
  const features = unit.features.get(`${account}/${loadedAs}`)
  unit.arrivals.put(key, { ...message, label })
  if (features !== undefined) unit.examples.put(key, { account, label, position, features })
}

function ofIntake(unit: FilterUnit, event: Exclude<SourceEvent, { redacted: true }>): void {
  switch (event.type) {
    case 'MailQuarantined': {
      const { intakeId, receivedAt, size, sections } = event.data
      for (const [account, section] of Object.entries(sections)) {
        const key = `${account}/${intakeId}`
        if (unit.quarantine.get(key) !== undefined) continue
        const position = Number(event.position)
        unit.quarantine.put(key, { accountId: account, intakeId, receivedAt, size, state: 'held', position, section })
      }
      return
    }
    case 'MailReleased':
    case 'QuarantineDropped': {
      for (const account of Object.keys(event.data.sections)) {
        const key = `${account}/${event.data.intakeId}`
        const held = unit.quarantine.get(key)
        // What was released stays released, whoever was quicker.
        if (held === undefined || held.state === 'released') continue
        unit.quarantine.put(key, { ...held, state: event.type === 'MailReleased' ? 'released' : 'dropped' })
      }
      return
    }
    default:
      return
  }
}
