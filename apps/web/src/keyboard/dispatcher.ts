// One listener for all shortcuts. Components say what a command does while they are there; the newest wins.

import { useEffect, useRef } from 'react'
import { preferences } from '../data/preferences.ts'
import { type Binding, keymap } from './keymap.ts'

/** Returns false to let the key do what it does without us. */
type Handler = () => unknown
const handlers = new Map<string, { readonly current: Handler }[]>()

export interface KeyLike {
  readonly key: string
  readonly code: string
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly altKey: boolean
  readonly shiftKey: boolean
}

const SEQUENCE_MS = 1200
let pending: { readonly key: string; readonly at: number } | undefined

const shifted: Record<string, string> = { Digit1: '!', Digit3: '#', Digit8: '*', Slash: '?' }
const plain: Record<string, string> = { Slash: '/', Semicolon: ';', Comma: ',', Period: '.' }

/** The key as the table writes it. A letter of another alphabet counts as the Latin letter on the same key. */
export function normalise(event: KeyLike): string {
  let key = event.key
  const foreign = key === 'Process' || key === 'Unidentified' || (key.length === 1 && key.charCodeAt(0) > 0x7f)
  if (foreign) {
    if (event.code.startsWith('Key')) key = event.code.slice(3).toLowerCase()
    else key = (event.shiftKey ? shifted[event.code] : plain[event.code]) ?? key
  }
  const mod = event.ctrlKey || event.metaKey
  if (key.length === 1) {
    if (/[a-z]/i.test(key)) key = event.shiftKey ? `Shift+${key.toUpperCase()}` : key.toLowerCase()
  } else if (event.shiftKey) key = `Shift+${key}`
  if (event.altKey) key = `Alt+${key}`
  return mod ? `Mod+${key}` : key
}

const editable = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable ||
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && !['checkbox', 'radio', 'button'].includes(target.type)))

/** Enter and Space belong to a focused button or link. */
const pressable = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest('button, a[href], summary, [role=menuitem], input') !== null

const overlayOpen = (): boolean => document.querySelector('dialog[open], [role=menu]') !== null

function find(key: string, fields: boolean): Binding | undefined {
  const joined = pending && Date.now() - pending.at < SEQUENCE_MS ? `${pending.key} ${key}` : undefined
  pending = undefined
  const single = preferences().singleKeys
  const allowed = (binding: Binding, spelled: string) =>
    (!fields || binding.inFields) && (single || !/^\S( \S)?$|^Shift\+\S$/.test(spelled))
  const match = (spelled: string | undefined) =>
    spelled === undefined
      ? undefined
      : keymap.find((binding) => binding.keys.includes(spelled) && allowed(binding, spelled))
  const found = match(joined) ?? match(key)
  if (
    !found &&
    !fields &&
    single &&
    keymap.some((binding) => binding.keys.some((each) => each.startsWith(`${key} `)))
  ) {
    pending = { key, at: Date.now() }
  }
  return found
}

/** Runs what a key is bound to. Returns whether anything did. */
export function press(event: KeyLike, target: EventTarget | null): boolean {
  const fields = editable(target) || (target instanceof Element && target.closest('[data-composer]') !== null)
  if (overlayOpen()) return false
  const key = normalise(event)
  if ((key === 'Enter' || key === 'Shift+Enter') && pressable(target)) return false
  const binding = find(key, fields)
  if (!binding) return false
  const handler = handlers.get(binding.command)?.at(-1)
  return handler !== undefined && handler.current() !== false
}

/** Starts listening; returns how to stop. */
export function listen(): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || ['Shift', 'Control', 'Alt', 'Meta'].includes(event.key)) return
    // An input method is at work in a field: the key is its own.
    if (editable(event.target) && (event.isComposing || event.keyCode === 229)) return
    if (press(event, event.target)) event.preventDefault()
  }
  document.addEventListener('keydown', onKey)
  return () => document.removeEventListener('keydown', onKey)
}

/** Does `run` when the command's key is pressed, while the component is there and `enabled`. */
export function useCommand(command: string, run: Handler, enabled = true): void {
  const latest = useRef(run)
  latest.current = run
  useEffect(() => {
    if (!enabled) return
    const stack = handlers.get(command) ?? []
    stack.push(latest)
    handlers.set(command, stack)
    return () => {
      stack.splice(stack.indexOf(latest), 1)
    }
  }, [command, enabled])
}
