// The keyboard of the list: what the cursor does, and what is done to what it points at.

import { type RefObject, useEffect, useRef } from 'react'
import { useDesk } from '../../app/context.ts'
import type { View } from '../../data/view.ts'
import { useCommand } from '../../keyboard/dispatcher.ts'
import { movePicker } from '../MovePicker.tsx'
import type { ListHandle } from './MessageList.tsx'
import { extendTo, moveCursor, selection, setCursor, targets, tickAll, tickNone, toggleTick } from './selection.ts'

interface Options {
  readonly view: View
  readonly handle: RefObject<ListHandle | null>
  readonly open: (id: string) => void
  readonly openId: string | undefined
  readonly closeReader: () => void
}

/** While a message is open, moving the cursor opens the next one, once the key rests this long. */
const FOLLOW_MS = 90

export function useListCommands({ view, handle, open, openId, closeReader }: Options): void {
  const { actions } = useDesk()
  const follow = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(follow.current), [])

  const show = (index: number) => {
    handle.current?.scrollToIndex(index)
    const { activeElement } = document
    if (activeElement === document.body || activeElement?.closest('[role=grid]')) {
      requestAnimationFrame(() => handle.current?.focusCursor())
    }
  }
  const go = (by: number) => {
    const moved = moveCursor(view, by)
    if (!moved) return
    show(moved.index)
    clearTimeout(follow.current)
    const { id } = moved
    if (openId !== undefined && id !== undefined) follow.current = setTimeout(() => open(id), FOLLOW_MS)
  }
  const extend = (by: number) => {
    const { cursor } = selection.get()
    const at = cursor === undefined ? -1 : view.ids.indexOf(cursor)
    const index = Math.max(0, Math.min(view.ids.length - 1, at < 0 ? 0 : at + by))
    const id = view.ids[index]
    if (id === undefined) return
    extendTo(view, id)
    show(index)
  }
  const edge = (index: number) => {
    handle.current?.scrollToIndex(index)
    const id = view.ids[index]
    if (id !== undefined) {
      setCursor(view, id)
      show(index)
    }
  }

  useCommand('next', () => go(1))
  useCommand('previous', () => go(-1))
  useCommand('extend-down', () => extend(1))
  useCommand('extend-up', () => extend(-1))
  useCommand('first', () => edge(0))
  useCommand('last', () => edge(view.ids.length - 1))
  useCommand('open', () => {
    const { cursor } = selection.get()
    if (cursor === undefined) return false
    open(cursor)
    return true
  })
  useCommand('tick', () => {
    const { cursor } = selection.get()
    if (cursor !== undefined) toggleTick(view, cursor)
  })
  useCommand('tick-all', () => tickAll(view))
  useCommand('tick-none', tickNone)
  useCommand('escape', () => {
    if (selection.get().ticked.size > 0) tickNone()
    else if (openId !== undefined) closeReader()
    else return false
    return true
  })

  const act = (run: (ids: readonly string[]) => unknown) => () => {
    const ids = targets()
    if (ids.length === 0) return false
    run(ids)
    return true
  }
  useCommand(
    'archive',
    act((ids) => actions.archive(ids)),
  )
  useCommand(
    'trash',
    act((ids) => actions.trash(ids)),
  )
  useCommand(
    'junk',
    act((ids) => actions.junk(ids)),
  )
  useCommand(
    'star',
    act((ids) => actions.toggleStar(ids)),
  )
  useCommand(
    'mark-read',
    act((ids) => actions.markRead(ids, true)),
  )
  useCommand(
    'mark-unread',
    act((ids) => actions.markRead(ids, false)),
  )
  useCommand(
    'move',
    act((ids) => movePicker.set(ids)),
  )
}
