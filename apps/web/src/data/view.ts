// A list as far as it is known: a sparse index -> id array of the true length, so that scroll bars are honest.

import type { ApiError } from './graphql.ts'
import { type Fragment, isStarred, isUnread, type Message, type MessageFilter } from './types.ts'

export type FilterName = 'all' | 'unread' | 'starred' | 'attachments'
export const FILTERS: readonly FilterName[] = ['all', 'unread', 'starred', 'attachments']

export const filterInput: Record<FilterName, MessageFilter> = {
  all: {},
  unread: { unread: true },
  starred: { flagged: true },
  attachments: { hasAttachment: true },
}

const matches: Record<FilterName, (message: Message) => boolean> = {
  all: () => true,
  unread: isUnread,
  starred: isStarred,
  attachments: (message) => message.hasAttachment,
}

/** What a view lists: a folder under a filter, or the results of a search. */
export type ViewSource =
  | { readonly kind: 'folder'; readonly folderId: string; readonly filter: FilterName }
  | { readonly kind: 'search'; readonly query: string }

export const viewKey = (source: ViewSource): string =>
  source.kind === 'folder' ? `f:${source.folderId}:${source.filter}` : `s:${source.query}`

export interface Highlights {
  readonly subject: readonly Fragment[]
  readonly snippet: readonly Fragment[]
}

/** A request under way; inserts and removals above it move where its rows belong. */
export interface Flight {
  start: number
  end: number
  spoiled: boolean
  readonly controller: AbortController
}

/** What components read; a new object after every change. */
export interface ViewState {
  readonly ids: readonly (string | undefined)[]
  readonly status: 'loading' | 'ready' | 'error'
  readonly error: ApiError | undefined
  readonly busy: boolean
  /** Search only: how many there are in all, whether that is exact, and what the server warns of. */
  readonly total: number
  readonly exact: boolean
  readonly warnings: readonly string[]
}

export class View {
  readonly key: string
  readonly source: ViewSource
  readonly ids: (string | undefined)[] = []
  readonly known = new Set<string>()
  readonly highlights = new Map<string, Highlights>()
  readonly #replacements = new Map<string, string | undefined>()
  status: ViewState['status'] = 'loading'
  error: ApiError | undefined
  flight: Flight | undefined
  /** Rows may have changed in ways that are not known: load again what is on screen. */
  stale = false
  total = 0
  exact = true
  warnings: readonly string[] = []
  /** Search only: where the next page starts; null at the end. */
  nextCursor: string | null | undefined
  state: ViewState = {
    ids: [],
    status: 'loading',
    error: undefined,
    busy: false,
    total: 0,
    exact: true,
    warnings: [],
  }

  constructor(source: ViewSource) {
    this.source = source
    this.key = viewKey(source)
  }

  /** Makes the state that components see. */
  publish(): void {
    this.state = {
      ids: this.ids,
      status: this.status,
      error: this.error,
      busy: this.flight !== undefined,
      total: this.source.kind === 'search' ? this.total : this.ids.length,
      exact: this.exact,
      warnings: this.warnings,
    }
  }

  /** Whether the server's answer for this view would hold the message. */
  belongs(message: Message | undefined): boolean {
    if (!message) return false
    if (this.source.kind === 'search') return this.known.has(message.id)
    return message.folderId === this.source.folderId && matches[this.source.filter](message)
  }

  /** In the folder, but shown only because it matched when the view was opened. */
  isKept(message: Message): boolean {
    return (
      this.source.kind === 'folder' &&
      this.source.filter !== 'all' &&
      this.known.has(message.id) &&
      message.folderId === this.source.folderId
    )
  }

  /** The row itself, or the one that took its place when it left. */
  resolve(id: string): string | undefined {
    const walked = new Set<string>()
    let at: string | undefined = id
    while (at !== undefined && !this.known.has(at) && !walked.has(at)) {
      walked.add(at)
      at = this.#replacements.get(at)
    }
    return at !== undefined && this.known.has(at) ? at : undefined
  }

  insert(message: Message, look: (id: string) => Message | undefined): void {
    if (this.known.has(message.id)) return
    const { index, exact } = this.#locate(message, look)
    this.ids.splice(index, 0, exact ? message.id : undefined)
    if (exact) this.known.add(message.id)
    if (!this.flight) return
    if (index <= this.flight.start) {
      this.flight.start++
      this.flight.end++
    } else if (index < this.flight.end) this.flight.spoiled = true
  }

  remove(gone: readonly Message[], look: (id: string) => Message | undefined): void {
    const leaving = new Set<string>()
    for (const message of gone) {
      if (this.known.has(message.id)) leaving.add(message.id)
      else {
        const { index, exact } = this.#locate(message, look)
        if (!exact && this.ids[index] === undefined && index < this.ids.length) {
          this.ids.splice(index, 1)
          this.#shrink(index)
        } else this.stale = true
      }
    }
    if (leaving.size === 0) return
    let last = -1
    for (let index = this.ids.length - 1; index >= 0 && last < 0; index--) {
      const id = this.ids[index]
      if (id !== undefined && leaving.has(id)) last = index
    }
    const stays = (id: string | undefined): id is string => id !== undefined && !leaving.has(id)
    let replacement = this.ids.slice(last + 1).find(stays)
    if (replacement === undefined || this.ids[last + 1] === undefined) {
      replacement = this.ids.slice(0, last).findLast(stays) ?? replacement
    }
    let write = 0
    for (let read = 0; read < this.ids.length; read++) {
      const id = this.ids[read]
      if (id !== undefined && leaving.has(id)) this.#shrink(write)
      else this.ids[write++] = id
    }
    this.ids.length = write
    for (const id of leaving) {
      this.known.delete(id)
      this.#replacements.set(id, replacement)
    }
  }

  /** Puts rows of the server where they belong; rows known elsewhere become unknown there. */
  place(start: number, ids: readonly string[], length: number | undefined): void {
    if (length !== undefined) {
      while (this.ids.length < length) this.ids.push(undefined)
      for (const id of this.ids.splice(Math.max(length, 0))) if (id !== undefined) this.known.delete(id)
    }
    while (this.ids.length < start + ids.length) this.ids.push(undefined)
    const incoming = new Set(ids)
    if (ids.some((id) => this.known.has(id))) {
      for (let index = 0; index < this.ids.length; index++) {
        const id = this.ids[index]
        if (id !== undefined && incoming.has(id)) this.ids[index] = undefined
      }
    }
    ids.forEach((id, offset) => {
      const before = this.ids[start + offset]
      if (before !== undefined) this.known.delete(before)
      this.ids[start + offset] = id
      this.known.add(id)
    })
  }

  clear(): void {
    this.ids.length = 0
    this.known.clear()
  }

  #shrink(index: number): void {
    if (!this.flight) return
    if (index < this.flight.start) {
      this.flight.start--
      this.flight.end--
    } else if (index < this.flight.end) this.flight.spoiled = true
  }

  /** Newest first by receivedAt, among equals the newcomer; not exact when rows around it are unknown. */
  #locate(message: Message, look: (id: string) => Message | undefined): { index: number; exact: boolean } {
    const time = Date.parse(message.receivedAt)
    let newer = -1
    for (let index = 0; index < this.ids.length; index++) {
      const id = this.ids[index]
      if (id === undefined) continue
      const other = look(id)
      if (!other) continue
      if (Date.parse(other.receivedAt) > time) newer = index
      else return { index: newer + 1, exact: index === newer + 1 }
    }
    return { index: newer + 1, exact: newer + 1 === this.ids.length }
  }
}
