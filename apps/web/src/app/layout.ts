// Which of the four layouts the window has room for.

import { useSyncExternalStore } from 'react'

export type Layout = 'phone' | 'tablet' | 'desk' | 'wide'

const queries = [
  [window.matchMedia('(min-width: 1280px)'), 'wide'],
  [window.matchMedia('(min-width: 1024px)'), 'desk'],
  [window.matchMedia('(min-width: 640px)'), 'tablet'],
] as const

export const layout = (): Layout => queries.find(([query]) => query.matches)?.[1] ?? 'phone'

const subscribe = (listener: () => void) => {
  for (const [query] of queries) query.addEventListener('change', listener)
  return () => {
    for (const [query] of queries) query.removeEventListener('change', listener)
  }
}

export const useLayout = (): Layout => useSyncExternalStore(subscribe, layout)
