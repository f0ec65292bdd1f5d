import { ArrowUp } from 'lucide-react'
import { type DragEvent, useCallback, useEffect, useLayoutEffect, useMemo, useRef } from 'react'
import { useDesk, useMailbox } from '../../app/context.ts'
import { ensure } from '../../data/loading.ts'
import { preferences, usePreferences } from '../../data/preferences.ts'
import { isUnread } from '../../data/types.ts'
import type { View, ViewState } from '../../data/view.ts'
import { t } from '../../i18n/index.ts'
import { folderTitle } from '../folders/names.ts'
import { MessageRow, PlaceholderRow, type RowEvents } from './MessageRow.tsx'
import { extendTo, selection, setCursor, settle, targets, toggleTick, useSelection } from './selection.ts'
import { useRows } from './useRows.ts'

export const ROW_HEIGHT = { compact: 32, regular: 56, comfortable: 76 } as const
const THROTTLE_MS = 100

export interface ListHandle {
  scrollToIndex(index: number): void
  focusCursor(): void
  pageRows(): number
}

interface ListProps {
  readonly view: View
  readonly state: ViewState
  readonly label: string
  readonly openId: string | undefined
  readonly showRecipient: boolean
  readonly onOpen: (id: string) => void
  readonly handle: { current: ListHandle | null }
}

/** The rows of a view, however many there are. */
export function MessageList({ view, state, label, openId, showRecipient, onOpen, handle }: ListProps) {
  const { mailbox, actions } = useDesk()
  const folders = useMailbox((each) => each.folders)
  const { density, language } = usePreferences()
  const height = ROW_HEIGHT[density]
  const scroller = useRef<HTMLDivElement>(null)
  const picked = useSelection()
  const load = useThrottled((first: number, last: number) => ensure(mailbox, view, first - 10, last + 30))
  const rows = useRows(scroller, state.ids, state, height, load)

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new state is a list with other rows
  useLayoutEffect(() => settle(view), [view, state])
  useEffect(() => ensure(mailbox, view, 0, 40), [mailbox, view])
  useEffect(() => {
    if (view.stale) load(rows.first, rows.last)
  })

  // When the row with the focus leaves, the focus goes with the cursor, not back to the page.
  const focused = useRef(false)
  useEffect(() => {
    const onFocus = (event: FocusEvent) => {
      focused.current = event.target instanceof Node && scroller.current?.contains(event.target) === true
    }
    document.addEventListener('focusin', onFocus)
    return () => document.removeEventListener('focusin', onFocus)
  }, [])
  useEffect(() => {
    if (focused.current && picked.cursor !== undefined && document.activeElement === document.body) {
      handle.current?.focusCursor()
    }
  }, [picked.cursor, handle])

  // How many rows have come in above since the top was last in sight.
  const top = useRef<string>(undefined)
  if (rows.atTop || top.current === undefined || !view.known.has(top.current)) top.current = state.ids[0]
  const above = top.current === undefined ? 0 : Math.max(0, state.ids.indexOf(top.current))

  useLayoutEffect(() => {
    handle.current = {
      scrollToIndex: rows.scrollToIndex,
      focusCursor: () => {
        const { cursor } = selection.get()
        const row = cursor === undefined ? null : scroller.current?.querySelector(`[data-id="${CSS.escape(cursor)}"]`)
        if (row instanceof HTMLElement) row.focus({ preventScroll: true })
      },
      pageRows: () => Math.max(1, Math.floor((scroller.current?.clientHeight ?? height) / height) - 1),
    }
  }, [handle, rows.scrollToIndex, height])

  const events = useMemo<RowEvents>(
    () => ({
      click(id, event) {
        if (event.shiftKey) {
          extendTo(view, id)
          getSelection()?.removeAllRanges()
        } else if (event.ctrlKey || event.metaKey) toggleTick(view, id)
        else {
          setCursor(view, id)
          onOpen(id)
        }
      },
      tick(id, event) {
        if (event.shiftKey) extendTo(view, id)
        else toggleTick(view, id)
      },
      act(id, what) {
        const ids = selection.get().ticked.has(id) ? targets() : [id]
        if (what === 'archive') actions.archive(ids)
        else if (what === 'trash') actions.trash(ids)
        else if (what === 'star') actions.toggleStar(ids)
        else {
          const message = mailbox.message(id)
          if (message) actions.markRead(ids, isUnread(message))
        }
      },
      drag(id, event: DragEvent) {
        const ids = selection.get().ticked.has(id) ? targets() : [id]
        event.dataTransfer.setData('application/x-everpost-messages', JSON.stringify(ids))
        event.dataTransfer.effectAllowed = 'move'
      },
    }),
    [view, onOpen, actions, mailbox],
  )

  const shown: number[] = []
  for (let index = rows.first; index <= rows.last; index++) shown.push(index)
  // The row with the focus stays mounted wherever the list is scrolled to.
  const cursorAt = picked.cursor === undefined ? -1 : state.ids.indexOf(picked.cursor)
  if (cursorAt >= 0 && (cursorAt < rows.first || cursorAt > rows.last)) shown.push(cursorAt)
  const noCursor = cursorAt < 0
  const epoch = `${language} ${new Date().toDateString()}`
  const inSearch = view.source.kind === 'search'

  return (
    <div className="list-area">
      {/* biome-ignore lint/a11y/useSemanticElements: rows are placed by hand */}
      <div
        ref={scroller}
        role="grid"
        aria-label={label}
        aria-rowcount={state.ids.length}
        aria-multiselectable="true"
        aria-busy={state.busy}
        tabIndex={noCursor ? 0 : -1}
        className={`list ${density}`}
        onFocus={(event) => {
          // Tabbing into a list with no cursor yet puts it on the first row.
          const first = state.ids[0]
          if (event.target === scroller.current && noCursor && first !== undefined) setCursor(view, first)
        }}
      >
        {/* biome-ignore lint/a11y/useSemanticElements: only gives the scroll bar its length */}
        <div role="rowgroup" className="list-canvas" style={{ height: state.ids.length * height }}>
          {shown.map((index) => {
            const id = state.ids[index]
            if (id === undefined) return <PlaceholderRow key={`hole-${index}`} index={index} top={index * height} />
            const message = inSearch ? mailbox.message(id) : undefined
            const folder = message && folders.find((each) => each.id === message.folderId)
            return (
              <MessageRow
                key={id}
                id={id}
                index={index}
                top={index * height}
                isCursor={id === picked.cursor}
                isOpen={id === openId}
                isTicked={picked.ticked.has(id)}
                showRecipient={showRecipient}
                folderTag={folder && folderTitle(folder)}
                highlights={view.highlights.get(id)}
                events={events}
                epoch={epoch}
              />
            )
          })}
        </div>
      </div>
      {above > 0 && !rows.atTop && (
        <button
          type="button"
          className="new-pill"
          aria-label={t('newAboveLabel', { n: above })}
          onClick={() => scroller.current?.scrollTo({ top: 0, behavior: scrollBehavior() })}
        >
          {t('newAbove', { n: above })} <ArrowUp size={14} aria-hidden="true" />
        </button>
      )}
    </div>
  )
}

const scrollBehavior = (): ScrollBehavior =>
  matchMedia('(prefers-reduced-motion: reduce)').matches || preferences().density === 'compact' ? 'instant' : 'smooth'

/** At once, then at most every 100 ms, and always for the last call. */
function useThrottled(run: (first: number, last: number) => void): (first: number, last: number) => void {
  const latest = useRef(run)
  latest.current = run
  const state = useRef<{ timer: ReturnType<typeof setTimeout> | undefined; args: [number, number] | undefined }>({
    timer: undefined,
    args: undefined,
  })
  return useCallback((first, last) => {
    const held = state.current
    if (held.timer !== undefined) {
      held.args = [first, last]
      return
    }
    latest.current(first, last)
    const tick = () => {
      const args = held.args
      held.args = undefined
      held.timer = args ? setTimeout(tick, THROTTLE_MS) : undefined
      if (args) latest.current(...args)
    }
    held.timer = setTimeout(tick, THROTTLE_MS)
  }, [])
}
