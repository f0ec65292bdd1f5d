// The search index as plain maps: the model that other engines are tested against, and the engine of throw-away time travel.
import type { AccountId, Position } from '../../../domain/log.ts'
import { isWithin } from '../../../domain/mailbox/mailbox.ts'
import type {
  SearchChange,
  SearchDocument,
  SearchFolder,
  SearchIndex,
  SearchPage,
  SearchPageRequest,
  SearchPlan,
} from '../../../projections/ports/search-index.ts'
import { formatCursor, parseCursor } from '../../../projections/search/cursor.ts'
import { matchesPlan } from '../../../projections/search/match.ts'
import { byRank, encodeHeads, RANKED, rank, rankingOf, score } from '../../../projections/search/ranking.ts'
import { encodeTrace } from '../../../projections/search/trace.ts'

interface Mailbox {
  readonly folders: Map<string, SearchFolder>
  readonly messages: Map<string, { document: SearchDocument; gone: boolean }>
}

export class MemorySearchIndex implements SearchIndex {
  readonly #mailboxes = new Map<AccountId, Mailbox>()
  #checkpoint: Position | undefined

  async checkpoint(): Promise<Position | undefined> {
    return this.#checkpoint
  }

  async apply(changes: readonly SearchChange[], checkpoint: Position): Promise<void> {
    if (this.#checkpoint !== undefined && checkpoint <= this.#checkpoint) return
    for (const change of changes) this.#apply(change)
    this.#checkpoint = checkpoint
  }

  #apply(change: SearchChange): void {
    const { account } = change
    let mailbox = this.#mailboxes.get(account)
    if (mailbox === undefined) this.#mailboxes.set(account, (mailbox = { folders: new Map(), messages: new Map() }))
    const { folders, messages } = mailbox
    const existing = (id: string): string | undefined =>
      folders.has(id) ? id : [...folders.values()].find((folder) => folder.role === 'inbox')?.id
    const patch = (id: string, change: Partial<SearchDocument>): void => {
      const message = messages.get(id)
      if (message !== undefined && !message.gone) message.document = { ...message.document, ...change }
    }
    switch (change.op) {
      case 'put': {
        const folderId = existing(change.document.folderId)
        if (folderId === undefined || messages.has(change.document.messageId)) return
        messages.set(change.document.messageId, { document: { ...change.document, folderId }, gone: false })
        return
      }
      case 'copy': {
        const source = messages.get(change.messageId)
        const folderId = existing(change.folderId)
        if (source === undefined || source.gone || folderId === undefined || messages.has(change.copyId)) return
        const { copyId, arrivedAt } = change
        messages.set(copyId, { document: { ...source.document, messageId: copyId, folderId, arrivedAt }, gone: false })
        return
      }
      case 'flags':
        for (const id of change.messageIds) {
          const flags = new Set(messages.get(id)?.document.flags)
          for (const flag of change.remove) flags.delete(flag)
          for (const flag of change.add) flags.add(flag)
          patch(id, { flags: [...flags] })
        }
        return
      case 'move':
        if (folders.has(change.folderId)) patch(change.messageId, { folderId: change.folderId })
        return
      case 'expunge':
        for (const id of change.messageIds) {
          const message = messages.get(id)
          if (message !== undefined) message.gone = true
        }
        return
      case 'restore': {
        const message = messages.get(change.messageId)
        const folderId = existing(change.folderId)
        if (message === undefined || !message.gone || folderId === undefined) return
        message.gone = false
        message.document = { ...message.document, folderId }
        return
      }
      case 'folder':
        if (!folders.has(change.folder.id)) folders.set(change.folder.id, change.folder)
        return
      case 'folder-renamed': {
        const folder = folders.get(change.folderId)
        if (folder !== undefined) folders.set(folder.id, { ...folder, name: change.name })
        return
      }
      case 'folder-moved': {
        const folder = folders.get(change.folderId)
        if (folder === undefined || isWithin(change.parentId, folder.id, (id) => folders.get(id)?.parentId)) return
        folders.set(folder.id, { ...folder, parentId: change.parentId })
        return
      }
      case 'folder-deleted': {
        const folder = folders.get(change.folderId)
        if (folder === undefined || folder.role === 'inbox') return
        if ([...folders.values()].some((each) => each.parentId === folder.id)) return
        folders.delete(folder.id)
        for (const message of messages.values()) if (message.document.folderId === folder.id) message.gone = true
        return
      }
      case 'erase':
        this.#mailboxes.delete(account)
        return
      default: {
        const _: never = change
        throw new Error(`unknown change ${JSON.stringify(_)}`)
      }
    }
  }

  async contents(account: AccountId, messageIds: readonly string[]): Promise<ReadonlyMap<string, Position>> {
    const found = new Map<string, Position>()
    for (const id of messageIds) {
      const message = this.#mailboxes.get(account)?.messages.get(id)
      if (message !== undefined) found.set(id, message.document.position)
    }
    return found
  }

  async folders(account: AccountId): Promise<readonly SearchFolder[]> {
    return [...(this.#mailboxes.get(account)?.folders.values() ?? [])]
  }

  async query(account: AccountId, plan: SearchPlan, request: SearchPageRequest): Promise<SearchPage> {
    const after = request.after === undefined ? undefined : parseCursor(request.after)
    const now = after?.now ?? request.now
    const found = [...(this.#mailboxes.get(account)?.messages.values() ?? [])]
      .filter(
        (message) =>
          !message.gone && matchesPlan(message.document, (flag) => message.document.flags.includes(`\\${flag}`), plan),
      )
      .map((message) => message.document)
      .filter((document) => after === undefined || Number(document.arrivedAt) <= after.top)
      .sort((a, b) => Number(b.arrivedAt - a.arrivedAt))
    const ranking = rankingOf(plan)
    const byRevision = new Map(found.map((document) => [Number(document.arrivedAt), document]))
    const candidates = found.map((document) => ({
      doc: Number(document.arrivedAt),
      receivedAt: document.receivedAt,
      score: score(ranking, encodeHeads(document.words), document.receivedAt, now),
    }))
    const newest = candidates.slice(0, RANKED)
    const ranked = rank(ranking, newest, now, (doc) => {
      const document = byRevision.get(doc)
      return document && encodeTrace(document.words)
    })
    const last = after && { doc: after.revision, score: after.score }
    const rest = [
      ...ranked
        .filter((each) => !last || (after?.phase === 'ranked' && byRank(each, last) > 0))
        .map((candidate) => ({ candidate, phase: 'ranked' as const })),
      ...candidates
        .slice(RANKED)
        .filter((each) => after?.phase !== 'older' || each.doc < after.revision)
        .map((candidate) => ({ candidate, phase: 'older' as const })),
    ]
    const page = rest.slice(0, Math.max(1, Math.min(250, request.first)))
    const top = after?.top ?? Number(found[0]?.arrivedAt ?? 0n)
    return {
      hits: page.flatMap(({ candidate }) => {
        const document = byRevision.get(candidate.doc)
        return document === undefined
          ? []
          : [{ messageId: document.messageId, position: document.position, score: candidate.score / 1e6 }]
      }),
      cursors: page.map(({ candidate, phase }) =>
        formatCursor({ phase, now, top, score: candidate.score, revision: candidate.doc }),
      ),
      hasNext: rest.length > page.length,
      total: Math.min(RANKED, found.length),
      totalIsExact: found.length <= RANKED,
    }
  }

  async optimize(): Promise<void> {}

  async close(): Promise<void> {
    this.#mailboxes.clear()
  }
}
