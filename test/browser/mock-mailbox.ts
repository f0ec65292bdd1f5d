// A mailbox in memory that speaks the web app's schema: enough of a server to test screens against, with its state open
// to assertions. The real gateway replaces it behind the same `TestServer`.

import { randomUUID } from 'node:crypto'
import type { Verdict } from '../../apps/web/src/data/types.ts'

export interface MockAddress {
  name: string | null
  address: string
}
export interface MockMessage {
  id: string
  folderId: string
  uid: number
  threadId: string
  subject: string
  from: MockAddress[]
  to: MockAddress[]
  cc: MockAddress[]
  replyTo: MockAddress[]
  date: string
  receivedAt: string
  size: number
  flags: string[]
  snippet: string
  hasAttachment: boolean
  messageIdHeader: string
  inReplyTo: string[]
  references: string[]
  text: string
  /** What the body page serves, as the sanitiser would have left it, or hostile on purpose. */
  page: string | undefined
  remoteImageCount: number
  verdict?: Verdict
  attachments: {
    section: string
    filename: string
    type: string
    size: number
    inline: boolean
    contentId: string | null
    url: string
  }[]
  history: { type: string; at: string; summary: string }[]
}
export interface MockHeld {
  id: string
  from: string
  subject: string
  receivedAt: string
  size: number
  verdict: Verdict & { malware: boolean }
}
export interface MockFolder {
  id: string
  name: string
  parentId: string | null
  role: string | null
}
export interface MockChange {
  revision: string
  type: string
  at: string
  causationId: string
  messageIds: string[]
  folderIds: string[]
}

const ROLES = [
  ['inbox', 'INBOX', 'INBOX'],
  ['drafts', 'Drafts', 'DRAFTS'],
  ['sent', 'Sent', 'SENT'],
  ['archive', 'Archive', 'ARCHIVE'],
  ['junk', 'Junk', 'JUNK'],
  ['trash', 'Trash', 'TRASH'],
] as const

export class MockMailbox {
  readonly messages = new Map<string, MockMessage>()
  readonly deleted = new Map<string, MockMessage>()
  readonly folders: MockFolder[] = [
    ...ROLES.map(([id, name, role]) => ({ id, name, parentId: null, role })),
    { id: 'f-projects', name: 'Projects', parentId: null, role: null },
    { id: 'f-everpost', name: 'Everpost', parentId: 'f-projects', role: null },
    { id: 'f-receipts', name: '영수증', parentId: null, role: null },
  ]
  readonly changes: MockChange[] = []
  readonly sent: Record<string, unknown>[] = []
  /** How long a sent message can be taken back; when `handedOver`, it is too late all the same. */
  undoSeconds = 0
  handedOver = false
  /** What was sent by its submission. */
  readonly submissions = new Map<string, { readonly sent: Record<string, unknown>; readonly messageId: string }>()
  readonly quarantine: MockHeld[] = []
  readonly uploads = new Map<string, { filename: string; type: string; body: Buffer }>()
  readonly #listeners = new Set<() => void>()
  #uid = 1
  #sorted = new Map<string, MockMessage[]>()

  get revision(): string {
    return String(this.changes.length + 99)
  }

  /** The folder's messages, newest first. */
  list(folderId: string): MockMessage[] {
    let sorted = this.#sorted.get(folderId)
    if (!sorted) {
      sorted = [...this.messages.values()]
        .filter((message) => message.folderId === folderId)
        .sort((a, b) => (a.receivedAt < b.receivedAt ? 1 : a.receivedAt > b.receivedAt ? -1 : b.uid - a.uid))
      this.#sorted.set(folderId, sorted)
    }
    return sorted
  }

  counts(folderId: string): { total: number; unread: number } {
    const list = this.list(folderId)
    return { total: list.length, unread: list.reduce((sum, each) => sum + (each.flags.includes('\\seen') ? 0 : 1), 0) }
  }

  /** Puts a message there without telling anybody: seeding. */
  store(part: Partial<MockMessage>): MockMessage {
    const uid = this.#uid++
    const id = part.id ?? `m${uid}`
    const at = part.receivedAt ?? new Date().toISOString()
    const message: MockMessage = {
      id,
      folderId: 'inbox',
      uid,
      threadId: part.threadId ?? `t-${id}`,
      subject: `Message ${uid}`,
      from: [{ name: `Sender ${uid % 40}`, address: `sender${uid % 40}@example.org` }],
      to: [{ name: 'Ada', address: 'ada@example.test' }],
      cc: [],
      replyTo: [],
      date: at,
      receivedAt: at,
      size: 4000,
      flags: [],
      snippet: part.text?.slice(0, 120).replace(/\s+/g, ' ') ?? 'A few words of the message.',
      hasAttachment: (part.attachments ?? []).some((each) => !each.inline),
      messageIdHeader: `<${id}@example.org>`,
      inReplyTo: [],
      references: [],
      text: 'A few words of the message.\n',
      page: undefined,
      remoteImageCount: 0,
      attachments: [],
      history: [{ type: 'MessageReceived', at, summary: 'Received over SMTP' }],
      ...part,
    }
    this.messages.set(id, message)
    this.#sorted.delete(message.folderId)
    return message
  }

  /** A new message that everybody hears of. */
  deliver(part: Partial<MockMessage>): MockMessage {
    const message = this.store(part)
    this.#record('MessageReceived', [message.id], [message.folderId])
    return message
  }

  setFlags(ids: string[], add: string[], remove: string[]): string {
    const folders = new Set<string>()
    for (const id of ids) {
      const message = this.messages.get(id)
      if (!message) continue
      message.flags = [...new Set([...message.flags.filter((flag) => !remove.includes(flag)), ...add])]
      message.history.push({
        type: 'FlagsChanged',
        at: new Date().toISOString(),
        summary: `Flags: ${message.flags.join(' ')}`,
      })
      folders.add(message.folderId)
    }
    return this.#record('FlagsChanged', ids, [...folders])
  }

  move(ids: string[], folderId: string): string {
    const folders = new Set([folderId])
    for (const id of ids) {
      const message = this.messages.get(id)
      if (!message) continue
      folders.add(message.folderId)
      message.folderId = folderId
      message.uid = this.#uid++
      message.history.push({ type: 'MessageMoved', at: new Date().toISOString(), summary: `Moved to ${folderId}` })
    }
    return this.#record('MessageMoved', ids, [...folders])
  }

  remove(ids: string[]): string {
    const kept = ids.filter((id) => this.messages.get(id)?.folderId !== 'trash')
    if (kept.length > 0) this.move(kept, 'trash')
    const gone = ids.filter((id) => !kept.includes(id))
    for (const id of gone) {
      const message = this.messages.get(id)
      if (!message) continue
      this.deleted.set(id, message)
      this.messages.delete(id)
    }
    return gone.length > 0 ? this.#record('MessageExpunged', gone, ['trash']) : this.revision
  }

  /** What happens with a draft that was replaced or sent. */
  expunge(id: string): void {
    const message = this.messages.get(id)
    if (!message) return
    this.messages.delete(id)
    this.#record('MessageExpunged', [id], [message.folderId])
  }

  restore(ids: string[]): string {
    for (const id of ids) {
      const message = this.deleted.get(id)
      if (!message) continue
      this.deleted.delete(id)
      this.messages.set(id, message)
    }
    return this.#record('MessageRestored', ids, ['trash'])
  }

  addFolder(name: string, parentId: string | null): MockFolder {
    const folder = { id: `f-${randomUUID()}`, name, parentId, role: null }
    this.folders.push(folder)
    this.#record('FolderCreated', [], [folder.id])
    return folder
  }

  renameFolder(id: string, name: string): MockFolder {
    const folder = this.folders.find((each) => each.id === id)
    if (!folder) throw new Error('No such folder')
    folder.name = name
    this.#record('FolderRenamed', [], [id])
    return folder
  }

  deleteFolder(id: string): string {
    this.folders.splice(
      this.folders.findIndex((each) => each.id === id),
      1,
    )
    return this.#record('FolderDeleted', [], [id])
  }

  /** Every change after a revision, then each as it happens. */
  async *follow(after: string | null | undefined): AsyncGenerator<MockChange & { last: boolean }> {
    let next = after == null ? this.changes.length : Number(after) - 99
    let wake: () => void = () => {}
    const listener = () => wake()
    this.#listeners.add(listener)
    try {
      for (;;) {
        while (next < this.changes.length) {
          const change = this.changes[next++]
          if (change) yield { ...change, last: next === this.changes.length }
        }
        await new Promise<void>((resolve) => {
          wake = resolve
          if (next < this.changes.length) resolve()
        })
      }
    } finally {
      this.#listeners.delete(listener)
    }
  }

  #record(type: string, messageIds: string[], folderIds: string[]): string {
    for (const folder of folderIds) this.#sorted.delete(folder)
    this.changes.push({
      revision: String(this.changes.length + 100),
      type,
      at: new Date().toISOString(),
      causationId: randomUUID(),
      messageIds,
      folderIds,
    })
    for (const listener of this.#listeners) listener()
    return this.revision
  }
}
