// Short words about what just happened. One at a time: the newest is what a person wants to undo.

import { atom } from '../data/atom.ts'

export interface Toast {
  readonly id: number
  readonly text: string
  readonly tone: 'plain' | 'bad'
  readonly action: { readonly label: string; readonly run: () => void } | undefined
}

export const toasts = atom<readonly Toast[]>([])
let next = 0

export function toast(text: string, options: { tone?: Toast['tone']; action?: Toast['action'] } = {}): void {
  const made: Toast = { id: next++, text, tone: options.tone ?? 'plain', action: options.action }
  toasts.set((now) => [...now.filter((each) => each.tone === 'bad' && made.tone !== 'bad').slice(-1), made])
}

export const dismiss = (id: number): void => toasts.set((now) => now.filter((each) => each.id !== id))
