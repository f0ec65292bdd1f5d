// Brings rows that are on screen, or nearly, from the server into a view. One request per view; a newer need cancels an older.

import { MESSAGES, SEARCH } from './documents.ts'
import { ApiError, graphql } from './graphql.ts'
import type { Mailbox } from './mailbox.ts'
import type { Fragment, Message, Revision } from './types.ts'
import { type Flight, filterInput, type View } from './view.ts'

export const WINDOW = 100

interface MessagesAnswer {
  readonly messages: {
    readonly totalCount: number
    readonly revision: Revision | null
    readonly edges: readonly { readonly node: Message }[]
  }
}

interface SearchAnswer {
  readonly search: {
    readonly totalCount: number
    readonly totalIsExact: boolean
    readonly warnings: readonly string[]
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
    readonly edges: readonly {
      readonly node: Message
      readonly subject: readonly Fragment[]
      readonly snippet: readonly Fragment[]
    }[]
  }
}

/** Loads what is missing of the rows from `first` to `last`, both included. Cheap when nothing is. */
export function ensure(mailbox: Mailbox, view: View, first: number, last: number): void {
  if (view.source.kind === 'search') {
    ensureSearch(mailbox, view, last)
    return
  }
  const need = missing(view, first, last)
  if (!need) return
  const flight = view.flight
  if (flight) {
    if (!flight.spoiled && flight.start <= need.from && flight.end > need.to) return
    flight.controller.abort()
  }
  const middle = Math.floor((first + last) / 2)
  const start = Math.max(0, view.status === 'ready' ? Math.min(need.from, middle - WINDOW / 2 + 10) : 0)
  void loadRows(mailbox, view, start, [first, last])
}

/** Tries again after an error. */
export function retry(mailbox: Mailbox, view: View): void {
  view.stale = true
  view.error = undefined
  if (view.status === 'error') view.status = 'loading'
  mailbox.emit()
  ensure(mailbox, view, 0, 20)
}

function missing(view: View, first: number, last: number): { from: number; to: number } | undefined {
  if (view.error) return undefined
  if (view.status !== 'ready') return { from: 0, to: 0 }
  if (view.stale) return { from: first, to: last }
  let from = -1
  let to = -1
  for (let index = Math.max(0, first); index <= last && index < view.ids.length; index++) {
    if (view.ids[index] !== undefined) continue
    if (from < 0) from = index
    to = index
  }
  return from < 0 ? undefined : { from, to }
}

async function loadRows(mailbox: Mailbox, view: View, start: number, shown: [number, number]): Promise<void> {
  if (view.source.kind !== 'folder') return
  const { folderId, filter } = view.source
  const flight: Flight = { start, end: start + WINDOW, spoiled: false, controller: new AbortController() }
  view.flight = flight
  const replacing = view.stale || view.status !== 'ready'
  view.stale = false
  mailbox.emit()
  try {
    const kept = keptBefore(mailbox, view, start)
    const { messages } = await graphql<MessagesAnswer>(
      MESSAGES,
      { folderId, filter: filterInput[filter], first: WINDOW, offset: start - kept, atLeast: mailbox.revision },
      flight.controller.signal,
    )
    if (view.flight !== flight) return
    view.flight = undefined
    const rows = messages.edges.map((edge) => edge.node)
    mailbox.learn(rows, messages.revision)
    if (flight.spoiled && !replacing) view.stale = true
    else applyRows(mailbox, view, flight, rows, messages.totalCount, replacing)
    view.status = 'ready'
    view.error = undefined
    mailbox.emit()
    // Whatever is still unknown where the person looks.
    ensure(mailbox, view, shown[0], Math.min(shown[1], view.ids.length - 1))
  } catch (error) {
    if (view.flight !== flight) return
    view.flight = undefined
    if (flight.controller.signal.aborted) return
    view.error = error instanceof ApiError ? error : new ApiError('unexpected', String(error), 0)
    if (view.status === 'loading') view.status = 'error'
    if (replacing && view.status === 'ready') view.stale = true
    mailbox.emit()
  }
}

function applyRows(
  mailbox: Mailbox,
  view: View,
  flight: Flight,
  rows: readonly Message[],
  total: number,
  replacing: boolean,
): void {
  // Unconfirmed commands: rows that the server still has but the person has already sent away.
  const shown = rows.filter((row) => {
    const now = mailbox.message(row.id)
    return now !== undefined && (view.belongs(now) || view.isKept(now))
  })
  const kept = view.ids.filter((id): id is string => {
    const message = id === undefined ? undefined : mailbox.message(id)
    return message !== undefined && view.isKept(message) && !view.belongs(message)
  })
  const hidden = rows.length - shown.length
  const length = Math.max(total - hidden, 0)
  if (replacing) {
    view.clear()
    view.place(
      flight.start,
      shown.map((row) => row.id),
      length,
    )
    view.status = 'ready'
    for (const id of kept) {
      const message = mailbox.message(id)
      if (message) view.insert(message, mailbox.message)
    }
    return
  }
  const ids = shown.map((row) => row.id).filter((id) => !kept.includes(id))
  // Rows kept on screen stand between the rows that the server counts.
  const gaps = view.ids.slice(flight.start, flight.start + ids.length + kept.length)
  if (gaps.some((id) => id !== undefined && kept.includes(id))) {
    let at = flight.start
    for (const id of ids) {
      while (view.ids[at] !== undefined && kept.includes(view.ids[at] as string)) at++
      view.place(at++, [id], undefined)
    }
    return
  }
  const end = rows.length < WINDOW ? flight.start + ids.length : undefined
  view.place(flight.start, ids, end ?? Math.max(length + kept.length, flight.start + ids.length))
}

function keptBefore(mailbox: Mailbox, view: View, start: number): number {
  if (view.source.kind !== 'folder' || view.source.filter === 'all') return 0
  let kept = 0
  for (let index = 0; index < start; index++) {
    const id = view.ids[index]
    const message = id === undefined ? undefined : mailbox.message(id)
    if (message && !view.belongs(message)) kept++
  }
  return kept
}

function ensureSearch(mailbox: Mailbox, view: View, last: number): void {
  if (view.flight || view.error) return
  if (view.status === 'ready' && (view.nextCursor === null || last < view.ids.length - 10)) return
  void loadResults(mailbox, view)
}

async function loadResults(mailbox: Mailbox, view: View): Promise<void> {
  if (view.source.kind !== 'search') return
  const flight: Flight = { start: 0, end: 0, spoiled: false, controller: new AbortController() }
  view.flight = flight
  view.stale = false
  mailbox.emit()
  try {
    const after = view.status === 'ready' ? (view.nextCursor ?? null) : null
    const asked = mailbox.revision
    const { search } = await graphql<SearchAnswer>(
      SEARCH,
      { query: view.source.query, first: 50, after, atLeast: asked },
      flight.controller.signal,
    )
    if (view.flight !== flight) return
    mailbox.learn(
      search.edges.map((edge) => edge.node),
      asked,
    )
    const ids = search.edges.map((edge) => edge.node.id).filter((id) => !view.known.has(id))
    for (const edge of search.edges) view.highlights.set(edge.node.id, edge)
    view.place(view.ids.length, ids, undefined)
    view.total = search.totalCount
    view.exact = search.totalIsExact
    view.warnings = search.warnings
    view.nextCursor = search.pageInfo.hasNextPage ? search.pageInfo.endCursor : null
    view.status = 'ready'
    view.error = undefined
  } catch (error) {
    if (view.flight !== flight || flight.controller.signal.aborted) return
    view.error = error instanceof ApiError ? error : new ApiError('unexpected', String(error), 0)
    if (view.status === 'loading') view.status = 'error'
  } finally {
    if (view.flight === flight) view.flight = undefined
    mailbox.emit()
  }
}
