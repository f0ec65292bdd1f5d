// What the mail filter derives from the log: mail that is held in quarantine, and what people taught by moving mail to and from Junk.
import type { Label } from '../domain/filter/model.ts'
import { accountOfStream, isRedacted } from '../domain/log.ts'
import type { SourceEvent } from './ports/event-source.ts'
import type { FilterUnit, JudgedMessage, Projector } from './ports/view-store.ts'

/** Examples of one account that are kept: the newest. */
export const MAX_EXAMPLES = 1000

export const filterProjector: Projector<FilterUnit> = {
  name: 'filter',
  version: 2,
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
      if (isJunk(unit, owner, folderId) && unit.judged.get(key) === undefined)
        unit.judged.put(key, { junk: true, label: undefined })
      return
    }
    case 'MessageCopied': {
      const source = unit.judged.get(`${owner}/${event.data.messageId}`)
      const key = `${owner}/${event.data.copyId}`
      if (unit.judged.get(key) !== undefined) return
      // Programs without MOVE copy and then delete: the copy teaches what the move would have.
      into(unit, owner, key, { junk: source?.junk ?? false, label: undefined }, event.data.folderId, position)
      return
    }
    case 'MessageRestored': {
      const key = `${owner}/${event.data.messageId}`
      const junk = isJunk(unit, owner, event.data.folderId)
      const message = unit.judged.get(key)
      if (junk !== (message?.junk ?? false)) unit.judged.put(key, { label: undefined, ...message, junk })
      return
    }
    case 'MessageMoved': {
      const key = `${owner}/${event.data.messageId}`
      into(unit, owner, key, unit.judged.get(key) ?? UNJUDGED, event.data.folderId, position)
      return
    }
    case 'FlagsChanged': {
      const said = labelOfFlags(event.data.add)
      if (said === undefined) return
      for (const id of event.data.messageIds) {
        const key = `${owner}/${id}`
        const message = unit.judged.get(key) ?? UNJUDGED
        if (said.weak && (message.label !== undefined || message.junk)) continue
        teach(unit, owner, key, message, said.label, position)
      }
      return
    }
    default:
      return
  }
}

const isJunk = (unit: FilterUnit, account: string, folderId: string): boolean =>
  unit.folders.get(account)?.junk === folderId

/** What is held of a message that was never in Junk and of which nobody said anything: most of them, so no row. */
const UNJUDGED: JudgedMessage = { junk: false, label: undefined }

function into(
  unit: FilterUnit,
  account: string,
  key: string,
  message: JudgedMessage,
  folderId: string,
  position: number,
): void {
  const junk = isJunk(unit, account, folderId)
  if (junk === message.junk) return
  const moved = { ...message, junk }
  if (junk) teach(unit, account, key, moved, 'spam', position)
  // Throwing junk away says that it was junk.
  else if (unit.folders.get(account)?.trash !== folderId) teach(unit, account, key, moved, 'ham', position)
  else unit.judged.put(key, moved)
}

function teach(
  unit: FilterUnit,
  account: string,
  key: string,
  message: JudgedMessage,
  label: Label,
  position: number,
): void {
  unit.judged.put(key, { ...message, label })
  unit.examples.put(key, { account, label, position })
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
