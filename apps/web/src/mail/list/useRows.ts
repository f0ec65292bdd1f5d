// Which rows are on screen. By hand, because rows never differ in height: a virtualiser that keeps a measurement for
// each row rebuilds 100,000 of them whenever mail arrives; here an arrival costs nothing.

import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from 'react'

const OVERSCAN = 8

interface Range {
  readonly first: number
  readonly last: number
}

interface Rows extends Range {
  readonly atTop: boolean
  readonly scrollToIndex: (index: number) => void
}

interface Anchor {
  readonly id: string
  readonly offset: number
}

/** Follows scrolling and, when rows come or go above, moves the scroll position so that nothing on screen moves. */
export function useRows(
  scroller: RefObject<HTMLElement | null>,
  ids: readonly (string | undefined)[],
  version: unknown,
  height: number,
  onRange: (first: number, last: number) => void,
): Rows {
  const count = ids.length
  const [range, setRange] = useState<Range & { atTop: boolean }>({ first: 0, last: 30, atTop: true })
  const anchor = useRef<Anchor>(undefined)
  const notify = useRef(onRange)
  notify.current = onRange

  const read = useCallback(() => {
    const element = scroller.current
    if (!element) return
    const top = element.scrollTop
    const first = Math.max(0, Math.floor(top / height))
    const last = Math.floor((top + element.clientHeight) / height)
    const atTop = top < height
    anchor.current = undefined
    for (let index = first; index <= last && !anchor.current; index++) {
      const id = ids[index]
      if (id !== undefined) anchor.current = { id, offset: top - index * height }
    }
    setRange((now) => (now.first === first && now.last === last && now.atTop === atTop ? now : { first, last, atTop }))
    notify.current(first, last)
  }, [scroller, ids, height])

  useLayoutEffect(() => {
    const element = scroller.current
    if (!element) return
    element.addEventListener('scroll', read, { passive: true })
    const observer = new ResizeObserver(read)
    observer.observe(element)
    return () => {
      element.removeEventListener('scroll', read)
      observer.disconnect()
    }
  }, [scroller, read])

  // biome-ignore lint/correctness/useExhaustiveDependencies: `ids` is one array that changes in place; `version` tells when
  useLayoutEffect(() => {
    const element = scroller.current
    const kept = anchor.current
    if (element && kept && element.scrollTop >= height) {
      const index = ids.indexOf(kept.id)
      const wanted = index * height + kept.offset
      if (index >= 0 && Math.abs(wanted - element.scrollTop) >= 1) element.scrollTop = wanted
    }
    read()
  }, [version, height])

  const scrollToIndex = useCallback(
    (index: number) => {
      const element = scroller.current
      if (!element) return
      const top = index * height
      if (top < element.scrollTop) element.scrollTop = top
      else if (top + height > element.scrollTop + element.clientHeight) {
        element.scrollTop = top + height - element.clientHeight
      }
      read()
    },
    [scroller, height, read],
  )

  return {
    first: Math.max(0, Math.min(range.first, count - 1) - OVERSCAN),
    last: Math.min(count - 1, range.last + OVERSCAN),
    atTop: range.atTop,
    scrollToIndex,
  }
}
