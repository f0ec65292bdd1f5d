// The Typesense engine's fold: a batch of changes over what the index holds, worked out here and then written.
import type { AccountId } from '../../../domain/log.ts'
import { isWithin } from '../../../domain/mailbox/mailbox.ts'
import type { SearchChange, SearchFolder, SearchWords } from '../../../projections/ports/search-index.ts'
import { MAX_REVISION } from '../../../projections/search/cursor.ts'
import type { TypesenseCalls } from './typesense-calls.ts'
import {
  accountKey,
  encoded,
  FACT_FIELDS,
  type Facts,
  type FolderRow,
  folderKey,
  folderOf,
  folderRow,
  type MessageRow,
  messageKey,
  messageRow,
  wordsRow,
} from './typesense-rows.ts'

const IDS_A_SEARCH = 200
const PAGE = 250

export interface BatchResult {
  /** Accounts of which everything goes first. */
  readonly erased: readonly string[]
  readonly upserts: readonly object[]
  readonly updates: readonly object[]
  readonly removed: readonly string[]
  /** Expunged: their words go last. */
  readonly expunged: readonly string[]
  /** What undoes it: earlier facts by id, or null for what was not there. Folders as a whole. */
  readonly undo: readonly (readonly [id: string, before: object | null])[]
}

const factsOf = ({ f, fid, seen, answered, flagged, draft, gone }: MessageRow): Facts => ({
  ...{ f, fid, seen, answered, flagged, draft, gone },
})

export class TypesenseBatch {
  readonly #calls: TypesenseCalls
  readonly #collection: string
  readonly #rows = new Map<string, MessageRow>()
  readonly #before = new Map<string, object | null>()
  readonly #created = new Set<string>()
  readonly #changed = new Set<string>()
  readonly #words = new Map<string, SearchWords>()
  readonly #expunged = new Set<string>()
  readonly #erased = new Set<string>()
  /** By account, in the order in which they came. */
  readonly #folders = new Map<AccountId, Map<string, { folder: SearchFolder; order: number }>>()
  readonly #folderChanges = new Map<string, object | null>()

  constructor(calls: TypesenseCalls, collection: string) {
    this.#calls = calls
    this.#collection = collection
  }

  async run(changes: readonly SearchChange[]): Promise<BatchResult> {
    await Promise.all([this.#loadRows(changes), this.#loadFolders([...new Set(changes.map(({ account }) => account))])])
    for (const change of changes) {
      if (change.op === 'folder-deleted') await this.#loadInside(change.account, change.folderId)
      this.#apply(change)
    }
    return this.#result()
  }

  async #loadRows(changes: readonly SearchChange[]): Promise<void> {
    const ids = new Set<string>()
    for (const change of changes) {
      const add = (id: string) => ids.add(messageKey(change.account, id))
      if (change.op === 'put') add(change.document.messageId)
      else if ('messageIds' in change) change.messageIds.forEach(add)
      else if ('messageId' in change) add(change.messageId)
      if (change.op === 'copy') add(change.copyId)
    }
    await this.#load([...ids])
  }

  async #load(ids: readonly string[]): Promise<void> {
    const searches = []
    for (let at = 0; at < ids.length; at += IDS_A_SEARCH)
      searches.push({
        filter: `id:=[${ids.slice(at, at + IDS_A_SEARCH).join(',')}]`,
        fields: FACT_FIELDS,
        perPage: IDS_A_SEARCH,
      })
    for (const { documents } of await this.#calls.search<MessageRow>(this.#collection, searches))
      for (const row of documents) if (!this.#rows.has(row.id)) this.#rows.set(row.id, row)
  }

  async #loadFolders(accounts: readonly AccountId[]): Promise<void> {
    for (const account of accounts) this.#folders.set(account, await foldersOf(this.#calls, this.#collection, account))
  }

  /** All that lies in a folder, to be expunged with it. */
  async #loadInside(account: AccountId, folderId: string): Promise<void> {
    const within = `(a:=${accountKey(account)}) && (k:=m) && (gone:=false) && (f:=${encoded(folderId)})`
    for (let below = MAX_REVISION + 1; ; ) {
      const filter = `${within} && (doc:<${below})`
      const [page] = await this.#calls.search<MessageRow>(this.#collection, [
        { filter, fields: FACT_FIELDS, perPage: PAGE },
      ])
      for (const row of page?.documents ?? []) if (!this.#rows.has(row.id)) this.#rows.set(row.id, row)
      const last = page?.documents.at(-1)
      if (last === undefined || (page?.documents.length ?? 0) < PAGE) return
      below = last.doc
    }
  }

  #apply(change: SearchChange): void {
    const { account } = change
    switch (change.op) {
      case 'put': {
        const { document } = change
        const folderId = this.#existing(account, document.folderId)
        if (folderId === undefined || document.arrivedAt > BigInt(MAX_REVISION)) return
        this.#create(messageRow(account, document, folderId), document.words)
        return
      }
      case 'copy': {
        const source = this.#rows.get(messageKey(account, change.messageId))
        const folderId = this.#existing(account, change.folderId)
        if (source === undefined || source.gone || folderId === undefined) return
        const id = messageKey(account, change.copyId)
        const place = { f: encoded(folderId), fid: folderId, doc: Number(change.arrivedAt) }
        this.#create({ ...source, ...place, id, mid: change.copyId, full: true }, change.words)
        return
      }
      case 'flags':
        for (const id of change.messageIds)
          this.#change(messageKey(account, id), (row) => {
            for (const flag of change.remove) setFlag(row, flag, false)
            for (const flag of change.add) setFlag(row, flag, true)
          })
        return
      case 'move': {
        const { folderId } = change
        if (!this.#foldersOf(account).has(folderId)) return
        this.#change(messageKey(account, change.messageId), (row) => {
          row.f = encoded(folderId)
          row.fid = folderId
        })
        return
      }
      case 'expunge':
        for (const id of change.messageIds) this.#expunge(messageKey(account, id))
        return
      case 'restore': {
        const id = messageKey(account, change.messageId)
        const row = this.#rows.get(id)
        const folderId = this.#existing(account, change.folderId)
        if (row === undefined || !row.gone || folderId === undefined) return
        this.#remember(row)
        Object.assign(row, { gone: false, full: true, f: encoded(folderId), fid: folderId })
        this.#words.set(id, change.words)
        this.#expunged.delete(id)
        return
      }
      case 'folder': {
        const folders = this.#foldersOf(account)
        if (folders.has(change.folder.id)) return
        const order = Math.max(0, ...[...folders.values()].map((each) => each.order)) + 1
        this.#setFolder(account, change.folder, order)
        return
      }
      case 'folder-renamed': {
        const known = this.#foldersOf(account).get(change.folderId)
        if (known) this.#setFolder(account, { ...known.folder, name: change.name }, known.order)
        return
      }
      case 'folder-moved': {
        const folders = this.#foldersOf(account)
        const known = folders.get(change.folderId)
        const parentOf = (id: string) => folders.get(id)?.folder.parentId
        if (known === undefined || isWithin(change.parentId, change.folderId, parentOf)) return
        this.#setFolder(account, { ...known.folder, parentId: change.parentId }, known.order)
        return
      }
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

  #create(row: MessageRow, words: SearchWords): void {
    if (this.#rows.has(row.id)) return
    this.#before.set(row.id, null)
    this.#created.add(row.id)
    this.#rows.set(row.id, { ...row })
    this.#words.set(row.id, words)
  }

  #change(id: string, how: (row: MessageRow) => void): void {
    const row = this.#rows.get(id)
    if (row === undefined || row.gone) return
    this.#remember(row)
    how(row)
  }

  #remember(row: MessageRow): void {
    if (!this.#before.has(row.id)) this.#before.set(row.id, factsOf(row))
    this.#changed.add(row.id)
  }

  #expunge(id: string): void {
    this.#change(id, (row) => {
      row.gone = true
      this.#expunged.add(id)
      this.#words.delete(id)
    })
  }

  /** The folder itself, or the inbox when it is gone. */
  #existing(account: AccountId, id: string): string | undefined {
    const folders = this.#foldersOf(account)
    if (folders.has(id)) return id
    return [...folders.values()].find(({ folder }) => folder.role === 'inbox')?.folder.id
  }

  #foldersOf(account: AccountId) {
    let folders = this.#folders.get(account)
    if (folders === undefined) this.#folders.set(account, (folders = new Map()))
    return folders
  }

  #setFolder(account: AccountId, folder: SearchFolder, order: number): void {
    const folders = this.#foldersOf(account)
    const id = folderKey(account, folder.id)
    const known = folders.get(folder.id)
    if (!this.#before.has(id)) this.#before.set(id, known ? folderRow(account, known.folder, known.order) : null)
    folders.set(folder.id, { folder, order })
    this.#folderChanges.set(id, folderRow(account, folder, order))
  }

  #deleteFolder(account: AccountId, folderId: string): void {
    const folders = this.#foldersOf(account)
    const known = folders.get(folderId)
    if (known === undefined || known.folder.role === 'inbox') return
    if ([...folders.values()].some(({ folder }) => folder.parentId === folderId)) return
    const a = accountKey(account)
    for (const row of this.#rows.values()) if (row.a === a && row.fid === folderId && !row.gone) this.#expunge(row.id)
    const id = folderKey(account, folderId)
    if (!this.#before.has(id)) this.#before.set(id, folderRow(account, known.folder, known.order))
    folders.delete(folderId)
    this.#folderChanges.set(id, null)
  }

  #erase(account: AccountId): void {
    const a = accountKey(account)
    this.#erased.add(a)
    this.#folders.set(account, new Map())
    for (const id of [...this.#rows.keys(), ...this.#folderChanges.keys(), ...this.#before.keys()]) {
      if (!id.startsWith(`m${a}z`) && !id.startsWith(`f${a}z`)) continue
      for (const gathered of [
        this.#rows,
        this.#before,
        this.#created,
        this.#changed,
        this.#words,
        this.#expunged,
        this.#folderChanges,
      ])
        gathered.delete(id)
    }
  }

  #result(): BatchResult {
    const upserts: object[] = []
    const updates: object[] = []
    for (const id of this.#created) {
      const row = this.#rows.get(id)
      const words = this.#words.get(id)
      // Created and expunged in one batch: its place in the log stays known.
      if (row)
        upserts.push({ ...row, ...(words ? wordsRow(words) : { w: [], heads: '', trace: '', words: '', full: false }) })
    }
    for (const id of this.#changed) {
      const row = this.#rows.get(id)
      if (row === undefined || this.#created.has(id)) continue
      const words = this.#words.get(id)
      updates.push({ id, ...factsOf(row), ...(words ? wordsRow(words) : {}) })
    }
    const removed: string[] = []
    for (const [id, row] of this.#folderChanges) {
      if (row === null) removed.push(id)
      else upserts.push(row)
    }
    return {
      erased: [...this.#erased],
      ...{ upserts, updates, removed },
      expunged: [...this.#expunged].filter((id) => !this.#created.has(id)),
      undo: [...this.#before],
    }
  }
}

function setFlag(row: MessageRow, flag: string, set: boolean): void {
  if (flag === '\\seen') row.seen = set
  else if (flag === '\\answered') row.answered = set
  else if (flag === '\\flagged') row.flagged = set
  else if (flag === '\\draft') row.draft = set
}

/** Folders of an account, in the order in which they came. */
export async function foldersOf(calls: TypesenseCalls, collection: string, account: AccountId) {
  const folders = new Map<string, { folder: SearchFolder; order: number }>()
  for (let page = 1; ; page++) {
    const filter = `(a:=${accountKey(account)}) && (k:=f)`
    const fields = 'fid,doc,name,parent,root,role'
    const [found] = await calls.search<FolderRow>(collection, [
      { filter, fields, perPage: PAGE, page, ascending: true },
    ])
    for (const row of found?.documents ?? []) folders.set(row.fid, { folder: folderOf(row), order: row.doc })
    if ((found?.documents.length ?? 0) < PAGE) return folders
  }
}
