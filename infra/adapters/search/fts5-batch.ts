// The FTS5 engine's fold: changes of mailboxes become rows, in the transaction of their checkpoint.
import type { Position } from '../../../domain/log.ts'
import { isWithin } from '../../../domain/mailbox/mailbox.ts'
import type { SearchChange, SearchDocument, SearchWords } from '../../../projections/ports/search-index.ts'
import { MAX_REVISION } from '../../../projections/search/cursor.ts'
import { encodeHeads } from '../../../projections/search/ranking.ts'
import { encodeTrace } from '../../../projections/search/trace.ts'
import type { Fts5File } from './fts5-file.ts'
import type { Fts5Numbers } from './fts5-numbers.ts'
import { FIELD_MARKS, FLAG_BITS } from './fts5-query.ts'
import { ACCOUNT_STEP, messageKey, rangeOf } from './fts5-rows.ts'

/** Folds one batch of changes into the tables. Words are written at the end, in ascending order, as FTS5 wants them. */
export class Batch {
  readonly #file: Fts5File
  readonly #numbers: Fts5Numbers
  readonly #changes: readonly SearchChange[]
  readonly #words = new Map<number, SearchWords>()

  constructor(file: Fts5File, numbers: Fts5Numbers, changes: readonly SearchChange[]) {
    this.#file = file
    this.#numbers = numbers
    this.#changes = changes
  }

  run(): void {
    for (const change of this.#changes) this.#apply(change)
    const insert = this.#file.writing('INSERT INTO words (rowid, tokens) VALUES (?, ?)')
    const trace = this.#file.writing('INSERT INTO traces (doc, trace) VALUES (?, ?)')
    for (const doc of Float64Array.from(this.#words.keys()).sort()) {
      const words = this.#words.get(doc)
      if (words === undefined) continue
      insert.run(doc, allTokens(words))
      trace.run(doc, encodeTrace(words))
    }
  }

  #apply(change: SearchChange): void {
    const file = this.#file
    const known = this.#numbers.accountNumber(change.account)
    if (known === undefined && change.op !== 'put' && change.op !== 'folder') return
    const account = known ?? this.#numbers.newAccount(change.account)
    switch (change.op) {
      case 'put': {
        const { document } = change
        this.#arrive(account, document, document.position)
        return
      }
      case 'copy': {
        const source = this.#find(account, change.messageId)
        if (source === undefined || source.flags & FLAG_BITS.gone) return
        const folder = this.#existingFolder(account, change.folderId)
        if (folder === undefined || this.#find(account, change.copyId) !== undefined) return
        const doc = account * ACCOUNT_STEP + Number(change.arrivedAt)
        file
          .writing(
            `INSERT INTO docs (doc, message, folder, flags, received_at, size, position, heads)
             SELECT ?, ?, ?, flags, received_at, size, position, heads FROM docs WHERE doc = ?`,
          )
          .run(doc, messageKey(change.copyId), folder, source.doc)
        this.#words.set(doc, change.words)
        return
      }
      case 'flags': {
        const add = flagBits(change.add)
        const remove = flagBits(change.remove)
        if (add === 0 && remove === 0) return
        const update = file.writing(
          `UPDATE docs SET flags = (flags & ~?) | ? WHERE message = ? AND doc BETWEEN ? AND ? AND flags & ${FLAG_BITS.gone} = 0`,
        )
        for (const id of change.messageIds) update.run(remove, add, messageKey(id), ...rangeOf(account))
        return
      }
      case 'move': {
        const folder = this.#numbers.folderKey(account, change.folderId)
        if (folder === undefined) return
        file
          .writing(
            `UPDATE docs SET folder = ? WHERE message = ? AND doc BETWEEN ? AND ? AND flags & ${FLAG_BITS.gone} = 0`,
          )
          .run(folder, messageKey(change.messageId), ...rangeOf(account))
        return
      }
      case 'expunge':
        for (const id of change.messageIds) {
          const found = this.#find(account, id)
          if (found !== undefined && !(found.flags & FLAG_BITS.gone)) this.#expunge(found.doc)
        }
        return
      case 'restore': {
        const found = this.#find(account, change.messageId)
        const folder = this.#existingFolder(account, change.folderId)
        if (found === undefined || !(found.flags & FLAG_BITS.gone) || folder === undefined) return
        file
          .writing(`UPDATE docs SET folder = ?, flags = flags & ~${FLAG_BITS.gone} WHERE doc = ?`)
          .run(folder, found.doc)
        this.#words.set(found.doc, change.words)
        return
      }
      case 'folder': {
        const { id, name, parentId, role } = change.folder
        file
          .writing('INSERT INTO folder (account, id, name, parent, role) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING')
          .run(account, id, name, parentId, role)
        return
      }
      case 'folder-renamed':
        file
          .writing('UPDATE folder SET name = ? WHERE account = ? AND id = ?')
          .run(change.name, account, change.folderId)
        return
      case 'folder-moved':
        if (isWithin(change.parentId, change.folderId, this.#parentIn(account))) return
        file
          .writing('UPDATE folder SET parent = ? WHERE account = ? AND id = ?')
          .run(change.parentId, account, change.folderId)
        return
      case 'folder-deleted':
        this.#deleteFolder(account, change.folderId)
        return
      case 'erase':
        this.#erase(account)
        return
      default: {
        const _: never = change
        throw new Error(`unknown change ${JSON.stringify(_)}`)
      }
    }
  }

  #arrive(account: number, document: SearchDocument, position: Position): void {
    const folder = this.#existingFolder(account, document.folderId)
    if (folder === undefined || this.#find(account, document.messageId) !== undefined) return
    if (document.arrivedAt > BigInt(MAX_REVISION)) return
    const doc = account * ACCOUNT_STEP + Number(document.arrivedAt)
    const flags = flagBits(document.flags) | (document.hasAttachment ? FLAG_BITS.attachment : 0)
    this.#file
      .writing(
        `INSERT INTO docs (doc, message, folder, flags, received_at, size, position, heads) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        doc,
        messageKey(document.messageId),
        folder,
        flags,
        document.receivedAt,
        document.size,
        position,
        encodeHeads(document.words),
      )
    this.#words.set(doc, document.words)
  }

  #find(account: number, messageId: string): { readonly doc: number; readonly flags: number } | undefined {
    return this.#file
      .sql('SELECT doc, flags FROM docs WHERE message = ? AND doc BETWEEN ? AND ?')
      .get(messageKey(messageId), ...rangeOf(account)) as { doc: number; flags: number } | undefined
  }

  #expunge(doc: number): void {
    this.#file.writing(`UPDATE docs SET flags = flags | ${FLAG_BITS.gone} WHERE doc = ?`).run(doc)
    if (this.#words.delete(doc)) return
    this.#file.writing('DELETE FROM words WHERE rowid = ?').run(doc)
    this.#file.writing('DELETE FROM traces WHERE doc = ?').run(doc)
  }

  /** The folder itself, or the inbox when it is gone. */
  #existingFolder(account: number, id: string): number | undefined {
    return (
      this.#numbers.folderKey(account, id) ??
      (this.#file
        .sql("SELECT key FROM folder WHERE account = ? AND role = 'inbox' ORDER BY key LIMIT 1")
        .get(account)?.['key'] as number | undefined)
    )
  }

  #parentIn(account: number): (folderId: string) => string | null | undefined {
    const parent = this.#file.sql('SELECT parent FROM folder WHERE account = ? AND id = ?')
    return (folderId) => parent.get(account, folderId)?.['parent'] as string | null | undefined
  }

  #deleteFolder(account: number, id: string): void {
    const file = this.#file
    const folder = file.sql('SELECT key, role FROM folder WHERE account = ? AND id = ?').get(account, id)
    const child = file.sql('SELECT 1 FROM folder WHERE account = ? AND parent = ? LIMIT 1').get(account, id)
    if (folder === undefined || folder['role'] === 'inbox' || child !== undefined) return
    const inside = file
      .sql(`SELECT doc FROM docs WHERE doc BETWEEN ? AND ? AND folder = ? AND flags & ${FLAG_BITS.gone} = 0`)
      .all(...rangeOf(account), folder['key'] as number)
    for (const row of inside) this.#expunge(row['doc'] as number)
    file.writing('DELETE FROM folder WHERE key = ?').run(folder['key'] as number)
    this.#numbers.forget()
  }

  #erase(account: number): void {
    const file = this.#file
    const range = rangeOf(account)
    for (const doc of this.#words.keys()) if (doc >= range[0] && doc <= range[1]) this.#words.delete(doc)
    const words = file.writing('DELETE FROM words WHERE rowid = ?')
    const rows = file.sql(`SELECT doc FROM docs WHERE doc BETWEEN ? AND ? AND flags & ${FLAG_BITS.gone} = 0`)
    for (const row of rows.all(...range)) words.run(row['doc'] as number)
    file.writing('DELETE FROM docs WHERE doc BETWEEN ? AND ?').run(...range)
    file.writing('DELETE FROM traces WHERE doc BETWEEN ? AND ?').run(...range)
    file.writing('DELETE FROM folder WHERE account = ?').run(account)
    file.writing('DELETE FROM account WHERE number = ?').run(account)
    this.#numbers.forget()
    file.markForPurge()
  }
}

/** Everything that can be found: the body, every header, and every header once more behind its field's mark. */
function allTokens(words: SearchWords): string {
  let tokens = words.body
  for (const field of ['subject', 'from', 'to', 'cc', 'filename'] as const) {
    const text = words[field]
    if (text === '') continue
    const mark = FIELD_MARKS[field]
    tokens += ` ${text} ${mark}${text.replaceAll(' ', ` ${mark}`)}`
  }
  return tokens
}

function flagBits(flags: readonly string[]): number {
  let bits = 0
  for (const flag of flags) {
    if (flag === '\\seen') bits |= FLAG_BITS.seen
    else if (flag === '\\answered') bits |= FLAG_BITS.answered
    else if (flag === '\\flagged') bits |= FLAG_BITS.flagged
    else if (flag === '\\draft') bits |= FLAG_BITS.draft
  }
  return bits
}
