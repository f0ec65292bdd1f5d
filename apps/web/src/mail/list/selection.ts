// Cursor, ticks and the anchor of a range in the list that is on screen.

import { atom, useAtom } from '../../data/atom.ts'
import type { View } from '../../data/view.ts'

export interface Selection {
  readonly viewKey: string
  readonly cursor: string | undefined
  /** Where the cursor last stood: what it falls back on when its row left without a trace. */
  readonly index: number
  readonly anchor: string | undefined
  readonly ticked: ReadonlySet<string>
  /** Ticks from before the range that is being drawn, so that the range can shrink. */
  readonly base: ReadonlySet<string>
}

const NONE: ReadonlySet<string> = new Set()
const empty = (viewKey: string): Selection => ({
  viewKey,
  cursor: undefined,
  index: 0,
  anchor: undefined,
  ticked: NONE,
  base: NONE,
})

export const selection = atom<Selection>(empty(''))
export const useSelection = (): Selection => useAtom(selection)

export function selectIn(viewKey: string): void {
  if (selection.get().viewKey !== viewKey) selection.set(empty(viewKey))
}

/** Rows leave lists: the cursor goes to what took its place, ticks go with their rows. */
export function settle(view: View): void {
  const now = selection.get()
  if (now.viewKey !== view.key || view.status !== 'ready') return
  let next = now
  if (now.cursor !== undefined && !view.known.has(now.cursor)) {
    const fallback = view.ids[Math.min(now.index, view.ids.length - 1)]
    const cursor = view.resolve(now.cursor) ?? fallback
    next = { ...next, cursor, index: cursor === undefined ? now.index : view.ids.indexOf(cursor), anchor: cursor }
  }
  if ([...now.ticked].some((id) => !view.known.has(id))) {
    next = { ...next, ticked: new Set([...now.ticked].filter((id) => view.known.has(id))), base: NONE }
  }
  selection.set(next)
}

/** Puts the cursor on a row. Ticks stay. */
export function setCursor(view: View, id: string): void {
  selection.set((now) => ({
    ...now,
    cursor: id,
    index: Math.max(0, view.ids.indexOf(id)),
    anchor: id,
    base: now.ticked,
  }))
}

/** Moves the cursor by rows and tells its new index; undefined when it cannot move or the row is not loaded yet. */
export function moveCursor(view: View, by: number): { id: string | undefined; index: number } | undefined {
  const now = selection.get()
  const at = now.cursor === undefined ? -1 : view.ids.indexOf(now.cursor)
  const from = at < 0 ? (now.cursor === undefined ? (by > 0 ? -1 : view.ids.length) : now.index) : at
  const index = Math.max(0, Math.min(view.ids.length - 1, from + by))
  if (view.ids.length === 0 || index === at) return undefined
  const id = view.ids[index]
  if (id !== undefined) setCursor(view, id)
  return { id, index }
}

/** The range from the anchor to `id`, and nothing else of an earlier range. */
export function extendTo(view: View, id: string): void {
  const now = selection.get()
  const anchor = now.anchor ?? now.cursor ?? id
  const from = view.ids.indexOf(anchor)
  const to = view.ids.indexOf(id)
  if (from < 0 || to < 0) return
  const range = view.ids.slice(Math.min(from, to), Math.max(from, to) + 1)
  const ticked = new Set(now.base)
  for (const each of range) if (each !== undefined) ticked.add(each)
  selection.set({ ...now, cursor: id, index: to, anchor, ticked })
}

export function toggleTick(view: View, id: string): void {
  selection.set((now) => {
    const ticked = new Set(now.ticked)
    if (!ticked.delete(id)) ticked.add(id)
    return { ...now, cursor: id, index: Math.max(0, view.ids.indexOf(id)), anchor: id, ticked, base: ticked }
  })
}

export function tickAll(view: View): void {
  const ticked = new Set(view.ids.filter((id): id is string => id !== undefined))
  selection.set((now) => ({ ...now, ticked, base: ticked }))
}

export const tickNone = (): void => selection.set((now) => ({ ...now, ticked: NONE, base: NONE }))

/** What an action is about: the ticked rows, else the row of the cursor. */
export function targets(): readonly string[] {
  const { ticked, cursor } = selection.get()
  if (ticked.size > 0) return [...ticked]
  return cursor === undefined ? [] : [cursor]
}
