// Every shortcut, once: the dispatcher obeys this table and the help shows it.

import type { TextKey } from '../i18n/index.ts'

export type KeyGroup = 'global' | 'list' | 'reader' | 'composer'

export interface Binding {
  readonly command: string
  readonly group: KeyGroup
  readonly text: TextKey
  /** `j`, `Shift+ArrowDown`, `Mod+Enter` (Ctrl or ⌘), or two keys in turn: `g i`. */
  readonly keys: readonly string[]
  /** Also while a field is being typed in. */
  readonly inFields?: true
}

export const keymap: readonly Binding[] = [
  { command: 'search', group: 'global', text: 'search', keys: ['/'] },
  { command: 'compose', group: 'global', text: 'compose', keys: ['c'] },
  { command: 'undo', group: 'global', text: 'undo', keys: ['z', 'Mod+z'] },
  { command: 'help', group: 'global', text: 'help', keys: ['?'] },
  { command: 'go-inbox', group: 'global', text: 'keyGoInbox', keys: ['g i'] },
  { command: 'go-starred', group: 'global', text: 'keyGoStarred', keys: ['g s'] },
  { command: 'go-sent', group: 'global', text: 'keyGoSent', keys: ['g t'] },
  { command: 'go-drafts', group: 'global', text: 'keyGoDrafts', keys: ['g d'] },
  { command: 'go-archive', group: 'global', text: 'keyGoArchive', keys: ['g a'] },
  { command: 'go-junk', group: 'global', text: 'keyGoJunk', keys: ['g j'] },
  { command: 'go-trash', group: 'global', text: 'keyGoTrash', keys: ['g b'] },
  { command: 'escape', group: 'global', text: 'keyEscape', keys: ['Escape'] },
  { command: 'next', group: 'list', text: 'keyNext', keys: ['j', 'ArrowDown'] },
  { command: 'previous', group: 'list', text: 'keyPrevious', keys: ['k', 'ArrowUp'] },
  { command: 'extend-down', group: 'list', text: 'keyExtendDown', keys: ['Shift+J', 'Shift+ArrowDown'] },
  { command: 'extend-up', group: 'list', text: 'keyExtendUp', keys: ['Shift+K', 'Shift+ArrowUp'] },
  { command: 'first', group: 'list', text: 'keyFirst', keys: ['Home'] },
  { command: 'last', group: 'list', text: 'keyLast', keys: ['End'] },
  { command: 'open', group: 'list', text: 'keyOpen', keys: ['o', 'Enter'] },
  { command: 'back-to-list', group: 'list', text: 'keyBackToList', keys: ['u'] },
  { command: 'tick', group: 'list', text: 'keyTick', keys: ['x'] },
  { command: 'tick-all', group: 'list', text: 'keyAll', keys: ['Mod+a', '* a'] },
  { command: 'tick-none', group: 'list', text: 'clearSelection', keys: ['* n'] },
  { command: 'archive', group: 'list', text: 'archive', keys: ['e'] },
  { command: 'trash', group: 'list', text: 'delete', keys: ['#', 'Delete'] },
  { command: 'junk', group: 'list', text: 'junk', keys: ['!'] },
  { command: 'star', group: 'list', text: 'star', keys: ['s'] },
  { command: 'mark-read', group: 'list', text: 'markRead', keys: ['Shift+I'] },
  { command: 'mark-unread', group: 'list', text: 'markUnread', keys: ['Shift+U'] },
  { command: 'move', group: 'list', text: 'move', keys: ['v'] },
  { command: 'reply', group: 'reader', text: 'reply', keys: ['r'] },
  { command: 'reply-all', group: 'reader', text: 'replyAll', keys: ['a'] },
  { command: 'forward', group: 'reader', text: 'forward', keys: ['f'] },
  { command: 'thread-next', group: 'reader', text: 'keyNextInThread', keys: ['n'] },
  { command: 'thread-previous', group: 'reader', text: 'keyPreviousInThread', keys: ['p'] },
  { command: 'expand-all', group: 'reader', text: 'keyExpandAll', keys: [';'] },
  { command: 'images', group: 'reader', text: 'keyImages', keys: ['i'] },
  { command: 'why', group: 'reader', text: 'keyWhy', keys: ['w'] },
  { command: 'quote', group: 'reader', text: 'keyQuote', keys: ['q'] },
  { command: 'history', group: 'reader', text: 'history', keys: ['h'] },
  { command: 'send', group: 'composer', text: 'keySend', keys: ['Mod+Enter'], inFields: true },
]

/** How a key is written in tooltips and help. */
export function keyLabel(command: string): string {
  const first = keymap.find((binding) => binding.command === command)?.keys[0]
  return first ? spell(first) : ''
}

const mac = /Mac|iPhone|iPad/.test(navigator.platform)
const names: Record<string, string> = {
  Mod: mac ? '⌘' : 'Ctrl',
  ArrowDown: '↓',
  ArrowUp: '↑',
  Escape: 'Esc',
  Enter: '↵',
  Delete: 'Del',
}

export const spell = (keys: string): string =>
  keys
    .split(' ')
    .map((key) =>
      key
        .split('+')
        .map((part) => names[part] ?? (part.length === 1 ? part.toUpperCase() : part))
        .join('+'),
    )
    .join(' ')
