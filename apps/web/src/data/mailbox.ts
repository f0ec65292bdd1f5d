// One account's mail as this tab knows it: rows by id, folders, views, and the commands that the server has not confirmed.
// Everything that changes a row goes through #transition, so lists, counts and rollbacks can never disagree.

import { type Account, type Folder, isUnread, type MailboxChange, type Message, type Revision } from './types.ts'
import { View, type ViewSource, viewKey } from './view.ts'

/** A command's effect on screen before the log confirms it. `undefined` removes the message. */
export interface Overlay {
  readonly commandId: string
  readonly messageIds: ReadonlySet<string>
  apply(message: Message): Message | undefined
  /** Set by the server's answer: the overlay goes when this revision has been folded. */
  revision: Revision | undefined
}

export type LinkState = 'connecting' | 'live' | 'offline'

export const reaches = (have: Revision | null, want: Revision): boolean =>
  have !== null && (have.length === want.length ? have >= want : have.length > want.length)

export class Mailbox {
  readonly account: Account
  revision: Revision | null
  link: LinkState = 'connecting'
  /** Threads that a reader has open: thread id -> message ids, oldest first. */
  readonly threads = new Map<string, readonly string[]>()
  readonly views = new Map<string, View>()
  #folders: readonly Folder[]
  #shownFolders: readonly Folder[] | undefined
  readonly #rows = new Map<string, Message>()
  readonly #shown = new Map<string, Message | undefined>()
  #overlays: readonly Overlay[] = []
  readonly #listeners = new Set<() => void>()
  #scheduled = false

  constructor(account: Account, folders: readonly Folder[]) {
    this.account = account
    this.revision = account.revision
    this.#folders = folders
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Tells components, once per task. */
  emit(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      for (const view of this.views.values()) view.publish()
      for (const listener of this.#listeners) listener()
    })
  }

  /** The message as it is shown: what is known of it with unconfirmed commands on top. */
  readonly message = (id: string): Message | undefined => {
    if (this.#shown.has(id)) return this.#shown.get(id)
    let message = this.#rows.get(id)
    for (const overlay of this.#overlays) {
      if (message && overlay.messageIds.has(id)) message = overlay.apply(message)
    }
    this.#shown.set(id, message)
    return message
  }

  /** Folders with counts that include unconfirmed commands. */
  get folders(): readonly Folder[] {
    this.#shownFolders ??= this.#countFolders()
    return this.#shownFolders
  }

  get pending(): number {
    return this.#overlays.filter((overlay) => overlay.revision === undefined).length
  }

  folderByRole(role: Folder['role']): Folder | undefined {
    return this.#folders.find((folder) => folder.role === role)
  }

  view(source: ViewSource): View {
    const key = viewKey(source)
    let view = this.views.get(key)
    if (!view) {
      view = new View(source)
      this.views.set(key, view)
    }
    return view
  }

  /** Forgets a view, so that it is loaded anew: filters keep read rows only while they are open. */
  dropView(key: string): void {
    this.views.get(key)?.flight?.controller.abort()
    this.views.delete(key)
  }

  /** Rows that the server answered to a question. They say nothing about which lists they are new to. */
  learn(messages: readonly Message[], revision?: Revision | null): void {
    for (const message of messages) {
      // An answer older than what has been folded must not bring an old state back.
      if (this.#rows.has(message.id) && revision && this.revision && !reaches(revision, this.revision)) continue
      const before = this.message(message.id)
      const known = this.#rows.has(message.id)
      this.#rows.set(message.id, message)
      this.#shown.delete(message.id)
      if (known) this.#transition(before, this.message(message.id), message.id)
    }
    this.#shownFolders = undefined
  }

  replaceFolders(folders: readonly Folder[]): void {
    this.#folders = folders
    this.#shownFolders = undefined
    this.emit()
  }

  addOverlay(overlay: Overlay): void {
    this.#changeOverlays([...this.#overlays, overlay], overlay.messageIds)
  }

  removeOverlay(overlay: Overlay): void {
    this.#changeOverlays(
      this.#overlays.filter((each) => each !== overlay),
      overlay.messageIds,
    )
  }

  /** The server has answered; the overlay goes with the event of that revision. */
  confirm(overlay: Overlay, revision: Revision): void {
    overlay.revision = revision
    if (reaches(this.revision, revision)) this.removeOverlay(overlay)
    else this.emit()
  }

  /** Changes in log order, each once. Returns whether lists must be loaded again. */
  fold(changes: readonly MailboxChange[]): void {
    const gone: Message[] = []
    for (const change of changes) {
      if (this.revision !== null && reaches(this.revision, change.revision)) continue
      this.revision = change.revision
      const present = new Set(change.messages.map((message) => message.id))
      for (const message of change.messages) this.#foldMessage(change, message)
      if (change.messageIds.length > change.messages.length && change.messageIds.length > 100) this.#markStale()
      else {
        for (const id of change.messageIds) {
          if (present.has(id)) continue
          const before = this.message(id)
          this.#rows.delete(id)
          this.#shown.delete(id)
          if (before) gone.push(before)
          else this.#markStale((view) => view.source.kind === 'folder' && view.source.filter !== 'all')
        }
      }
      if (change.folders) this.#folders = change.folders
    }
    if (gone.length > 0) this.#leave(gone, () => undefined)
    this.#shownFolders = undefined
    const folded = this.#overlays.filter((overlay) => overlay.revision && reaches(this.revision, overlay.revision))
    for (const overlay of folded) this.removeOverlay(overlay)
    if (changes.at(-1)?.folders) this.#checkTotals()
    this.emit()
  }

  /** The server can be reached again: lists that failed try once more. */
  forgetErrors(): void {
    for (const view of this.views.values()) {
      if (!view.error) continue
      view.error = undefined
      view.stale = true
      if (view.status === 'error') view.status = 'loading'
    }
    this.emit()
  }

  #foldMessage(change: MailboxChange, message: Message): void {
    const known = this.#rows.has(message.id)
    const before = this.message(message.id)
    this.#rows.set(message.id, message)
    this.#shown.delete(message.id)
    const after = this.message(message.id)
    if (known) this.#transition(before, after, message.id)
    else if (/Flags|Keyword/.test(change.type)) {
      this.#markStale((view) => view.source.kind === 'folder' && view.source.filter !== 'all')
    } else this.#transition(undefined, after, message.id)
    const thread = this.threads.get(message.threadId)
    if (thread && !thread.includes(message.id)) this.threads.set(message.threadId, [...thread, message.id])
  }

  #changeOverlays(overlays: readonly Overlay[], ids: ReadonlySet<string>): void {
    const before = new Map<string, Message | undefined>()
    for (const id of ids) before.set(id, this.message(id))
    this.#overlays = overlays
    this.#shownFolders = undefined
    for (const id of ids) this.#shown.delete(id)
    const leaving: Message[] = []
    for (const [id, was] of before) {
      const is = this.message(id)
      if (was && (!is || is.folderId !== was.folderId)) leaving.push(was)
      else this.#transition(was, is, id)
    }
    if (leaving.length > 0) this.#leave(leaving, this.message)
    this.emit()
  }

  /** Messages that leave a folder, in one pass over every list. */
  #leave(gone: readonly Message[], now: (id: string) => Message | undefined): void {
    for (const view of this.views.values()) {
      const source = view.source
      if (source.kind === 'search') {
        const deleted = gone.filter((message) => view.known.has(message.id) && !now(message.id))
        if (deleted.length > 0) view.remove(deleted, this.message)
        continue
      }
      if (view.status !== 'ready') continue
      const leaving = gone.filter((message) => view.belongs(message) || view.isKept(message))
      if (leaving.length > 0) view.remove(leaving, this.#lookBack(gone))
      for (const message of gone) {
        const after = now(message.id)
        if (after && view.belongs(after)) view.insert(after, this.message)
      }
    }
  }

  /** Looks rows up even while some of them have already left. */
  #lookBack(gone: readonly Message[]): (id: string) => Message | undefined {
    const left = new Map(gone.map((message) => [message.id, message]))
    return (id) => this.message(id) ?? left.get(id)
  }

  #transition(before: Message | undefined, after: Message | undefined, id: string): void {
    if (before === after) return
    for (const view of this.views.values()) {
      if (view.source.kind === 'search' || view.status !== 'ready') continue
      const was = view.belongs(before) || view.known.has(id)
      const is = view.belongs(after) || (after !== undefined && view.isKept(after))
      if (was && !is && before) view.remove([before], this.#lookBack([before]))
      else if (!was && is && after) view.insert(after, this.message)
    }
  }

  #countFolders(): readonly Folder[] {
    const changes = new Map<string, { total: number; unread: number }>()
    const count = (message: Message | undefined, by: 1 | -1) => {
      if (!message) return
      const change = changes.get(message.folderId) ?? { total: 0, unread: 0 }
      change.total += by
      if (isUnread(message)) change.unread += by
      changes.set(message.folderId, change)
    }
    for (const id of new Set(this.#overlays.flatMap((overlay) => [...overlay.messageIds]))) {
      count(this.#rows.get(id), -1)
      count(this.message(id), 1)
    }
    if (changes.size === 0) return this.#folders
    return this.#folders.map((folder) => {
      const change = changes.get(folder.id)
      if (!change || (change.total === 0 && change.unread === 0)) return folder
      return {
        ...folder,
        total: Math.max(0, folder.total + change.total),
        unread: Math.max(0, folder.unread + change.unread),
      }
    })
  }

  /** A list whose length disagrees with its folder has missed something: load it again. */
  #checkTotals(): void {
    for (const view of this.views.values()) {
      if (view.source.kind !== 'folder' || view.source.filter !== 'all' || view.status !== 'ready') continue
      const { folderId } = view.source
      const folder = this.folders.find((each) => each.id === folderId)
      if (folder && folder.total !== view.ids.length) view.stale = true
    }
  }

  #markStale(which: (view: View) => boolean = () => true): void {
    for (const view of this.views.values()) if (which(view)) view.stale = true
  }
}
