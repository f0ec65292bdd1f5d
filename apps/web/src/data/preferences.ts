// What this browser remembers about how the app should look. One stored object, read before the first paint by public/theme.js.

import { useSyncExternalStore } from 'react'

export interface Preferences {
  readonly theme: 'system' | 'light' | 'dark'
  readonly language: 'en' | 'ko'
  readonly density: 'compact' | 'regular' | 'comfortable'
  readonly folderWidth: number
  readonly listWidth: number
  /** Single-key shortcuts (WCAG 2.1.4: they can be turned off). */
  readonly singleKeys: boolean
}

const KEY = 'everpost.preferences'
const listeners = new Set<() => void>()

const defaults: Preferences = {
  theme: 'system',
  language: navigator.language.startsWith('ko') ? 'ko' : 'en',
  density: 'regular',
  folderWidth: 232,
  listWidth: 400,
  singleKeys: true,
}

let current: Preferences = { ...defaults, ...read() }

function read(): Partial<Preferences> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Preferences>
  } catch {
    return {}
  }
}

export const preferences = (): Preferences => current

export function setPreferences(change: Partial<Preferences>): void {
  current = { ...current, ...change }
  try {
    localStorage.setItem(KEY, JSON.stringify(current))
  } catch {
    // Kept for this visit only.
  }
  const root = document.documentElement
  if (current.theme === 'system') delete root.dataset['theme']
  else root.dataset['theme'] = current.theme
  root.lang = current.language
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const usePreferences = (): Preferences => useSyncExternalStore(subscribe, preferences)
