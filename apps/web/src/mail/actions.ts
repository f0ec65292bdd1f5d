// What a person does to messages: one place that knows the folders, the words and the way back.

import { toast } from '../app/toasts.ts'
import type { Command, CommandQueue, Done } from '../data/commands.ts'
import type { Mailbox } from '../data/mailbox.ts'
import { FLAGGED, type Folder, type FolderRole, isStarred, isUnread, SEEN } from '../data/types.ts'
import { type TextKey, t } from '../i18n/index.ts'
import { folderTitle } from './folders/names.ts'

const UNDO_DEPTH = 50

export class Actions {
  readonly #mailbox: Mailbox
  readonly #queue: CommandQueue
  readonly #undo: (readonly Command[])[] = []
  readonly #doneAt = new WeakMap<readonly Command[], number>()

  constructor(mailbox: Mailbox, queue: CommandQueue) {
    this.#mailbox = mailbox
    this.#queue = queue
  }

  archive(ids: readonly string[]): boolean {
    return this.#moveTo('ARCHIVE', ids, 'didArchive')
  }

  junk(ids: readonly string[]): boolean {
    const inJunk = this.#all(ids, 'JUNK')
    return inJunk ? this.#moveTo('INBOX', ids, 'didMove') : this.#moveTo('JUNK', ids, 'didJunk')
  }

  /** To the bin; what is there already goes for good, and can still be brought back by undo. */
  trash(ids: readonly string[]): boolean {
    const bin = this.#mailbox.folderByRole('TRASH')
    const there = ids.filter((id) => this.#mailbox.message(id)?.folderId === bin?.id)
    if (!bin || there.length > 0) {
      return this.#run({ kind: 'delete', ids: bin ? there : ids }, 'didDeleteForever', {})
    }
    // A move, not a delete: sent twice after a lost answer it is still only a move to the bin.
    return this.#moveTo('TRASH', ids, 'didDelete')
  }

  move(ids: readonly string[], folder: Folder): boolean {
    const elsewhere = ids.filter((id) => this.#mailbox.message(id)?.folderId !== folder.id)
    if (elsewhere.length === 0) return false
    return this.#run({ kind: 'move', ids: elsewhere, folderId: folder.id }, 'didMove', { folder: folderTitle(folder) })
  }

  markRead(ids: readonly string[], read: boolean): boolean {
    const other = this.#which(ids, (message) => isUnread(message) === read)
    if (other.length === 0) return false
    return this.#run(flags(other, SEEN, read), read ? 'didRead' : 'didUnread', {})
  }

  /** Reading does this: no words, nothing to undo. */
  sawMessage(id: string): void {
    const message = this.#mailbox.message(id)
    if (message && isUnread(message)) this.#follow(this.#queue.run(flags([id], SEEN, true)))
  }

  /** Stars all unless all have one. */
  toggleStar(ids: readonly string[]): boolean {
    const plain = this.#which(ids, (message) => !isStarred(message))
    if (plain.length > 0) return this.#run(flags(plain, FLAGGED, true), 'didStar', {})
    return this.#run(flags(ids, FLAGGED, false), 'didUnstar', {})
  }

  /** When what `undo` would undo was done, epoch milliseconds; 0 when there is nothing. */
  get newestAt(): number {
    const newest = this.#undo.at(-1)
    return newest ? (this.#doneAt.get(newest) ?? 0) : 0
  }

  undo(): void {
    const commands = this.#undo.pop()
    if (!commands) {
      toast(t('nothingToUndo'))
      return
    }
    for (const command of commands) this.#follow(this.#queue.run(command))
    toast(t('undone'))
  }

  #moveTo(role: FolderRole, ids: readonly string[], text: TextKey): boolean {
    const folder = this.#mailbox.folderByRole(role)
    if (!folder) {
      toast(t('noFolderForIt'), { tone: 'bad' })
      return false
    }
    const elsewhere = ids.filter((id) => this.#mailbox.message(id)?.folderId !== folder.id)
    if (elsewhere.length === 0) return false
    return this.#run({ kind: 'move', ids: elsewhere, folderId: folder.id }, text, { folder: folderTitle(folder) })
  }

  #run(command: Command, text: TextKey, values: Record<string, string>): boolean {
    const done = this.#queue.run(command)
    const undo = done.undo
    if (undo.length > 0) {
      this.#undo.push(undo)
      this.#doneAt.set(undo, Date.now())
      if (this.#undo.length > UNDO_DEPTH) this.#undo.shift()
    }
    toast(t(text, { n: command.ids.length, ...values }), {
      action: { label: t('undo'), run: () => this.#undoThis(undo) },
    })
    this.#follow(done, undo)
    return true
  }

  #undoThis(undo: readonly Command[]): void {
    const at = this.#undo.indexOf(undo)
    if (at < 0) return
    this.#undo.splice(at, 1)
    for (const command of undo) this.#follow(this.#queue.run(command))
    toast(t('undone'))
  }

  /** A refused command has been rolled back; say why, and forget its undo. */
  #follow(done: Done, undo?: readonly Command[]): void {
    done.answer.catch((error: unknown) => {
      const at = undo ? this.#undo.indexOf(undo) : -1
      if (at >= 0) this.#undo.splice(at, 1)
      toast(t('commandFailed', { reason: error instanceof Error ? error.message : String(error) }), { tone: 'bad' })
    })
  }

  #which(ids: readonly string[], test: (message: NonNullable<ReturnType<Mailbox['message']>>) => boolean): string[] {
    return ids.filter((id) => {
      const message = this.#mailbox.message(id)
      return message !== undefined && test(message)
    })
  }

  #all(ids: readonly string[], role: FolderRole): boolean {
    const folder = this.#mailbox.folderByRole(role)
    return folder !== undefined && ids.every((id) => this.#mailbox.message(id)?.folderId === folder.id)
  }
}

const flags = (ids: readonly string[], flag: string, on: boolean): Command => ({
  kind: 'flags',
  ids,
  add: on ? [flag] : [],
  remove: on ? [] : [flag],
})
