// Commands that show at once: overlay, send in order, confirm by the log or roll back. Every one can be undone.

import { DELETE, MOVE, RESTORE, SET_FLAGS } from './documents.ts'
import { ApiError, graphql } from './graphql.ts'
import type { Mailbox, Overlay } from './mailbox.ts'
import type { Message, Revision } from './types.ts'

export type Command =
  | {
      readonly kind: 'flags'
      readonly ids: readonly string[]
      readonly add: readonly string[]
      readonly remove: readonly string[]
    }
  | { readonly kind: 'move'; readonly ids: readonly string[]; readonly folderId: string }
  | { readonly kind: 'delete'; readonly ids: readonly string[] }
  | { readonly kind: 'restore'; readonly ids: readonly string[] }

export interface Done {
  /** What to run, in order, to have everything as it was. */
  readonly undo: readonly Command[]
  /** Settles when the server has answered. */
  readonly answer: Promise<void>
}

interface Queued {
  readonly command: Command
  readonly overlay: Overlay
  readonly settle: (error?: ApiError) => void
}

const CHUNK = 500
const KEPT_KEY = 'everpost.commands.'

export class CommandQueue {
  readonly #mailbox: Mailbox
  readonly #queue: Queued[] = []
  #sending = false
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(mailbox: Mailbox) {
    this.#mailbox = mailbox
  }

  /** Commands that an earlier visit could not send. */
  resume(): readonly Done[] {
    try {
      const kept = JSON.parse(localStorage.getItem(KEPT_KEY + this.#mailbox.account.id) ?? '[]') as Command[]
      return kept.map((command) => this.run(command))
    } catch {
      return []
    }
  }

  run(command: Command): Done {
    const undo = this.#inverse(command)
    const overlay = overlayOf(command)
    let settle: Queued['settle'] = () => {}
    const answer = new Promise<void>((resolve, reject) => {
      settle = (error) => (error ? reject(error) : resolve())
    })
    answer.catch(() => {})
    this.#queue.push({ command, overlay, settle })
    this.#mailbox.addOverlay(overlay)
    this.#keep()
    void this.#pump()
    return { undo, answer }
  }

  /** The network is back. */
  wake(): void {
    clearTimeout(this.#timer)
    void this.#pump()
  }

  async #pump(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    for (let next = this.#queue[0]; next; next = this.#queue[0]) {
      try {
        const revision = await perform(next.command)
        this.#queue.shift()
        this.#mailbox.confirm(next.overlay, revision)
        next.settle()
      } catch (error) {
        const failure = error instanceof ApiError ? error : new ApiError('unexpected', String(error), 0)
        if (failure.isNetwork || failure.code === 'session') {
          // Nothing is known about it; every command here may be sent twice without harm.
          this.#timer = setTimeout(() => void this.#pump(), 3000)
          break
        }
        this.#queue.shift()
        this.#mailbox.removeOverlay(next.overlay)
        next.settle(failure)
      }
      this.#keep()
    }
    this.#sending = false
  }

  #keep(): void {
    const key = KEPT_KEY + this.#mailbox.account.id
    try {
      if (this.#queue.length === 0) localStorage.removeItem(key)
      else localStorage.setItem(key, JSON.stringify(this.#queue.map((queued) => queued.command)))
    } catch {
      // Full or forbidden storage: the queue lives as long as the tab.
    }
  }

  #inverse(command: Command): Command[] {
    const messages = command.ids.map(this.#mailbox.message).filter((message): message is Message => !!message)
    switch (command.kind) {
      case 'flags': {
        const undo: Command[] = []
        for (const flag of command.add) {
          const ids = messages.filter((message) => !message.flags.includes(flag)).map((message) => message.id)
          if (ids.length > 0) undo.push({ kind: 'flags', ids, add: [], remove: [flag] })
        }
        for (const flag of command.remove) {
          const ids = messages.filter((message) => message.flags.includes(flag)).map((message) => message.id)
          if (ids.length > 0) undo.push({ kind: 'flags', ids, add: [flag], remove: [] })
        }
        return undo
      }
      case 'move': {
        const homes = Map.groupBy(messages, (message) => message.folderId)
        return [...homes].map(([folderId, moved]) => ({
          kind: 'move',
          ids: moved.map((message) => message.id),
          folderId,
        }))
      }
      case 'delete':
        return [{ kind: 'restore', ids: command.ids }]
      case 'restore':
        return []
      default: {
        const never: never = command
        return never
      }
    }
  }
}

function overlayOf(command: Command): Overlay {
  return {
    commandId: crypto.randomUUID(),
    messageIds: new Set(command.ids),
    revision: undefined,
    apply: effectOf(command),
  }
}

function effectOf(command: Command): Overlay['apply'] {
  switch (command.kind) {
    case 'flags':
      return (message) => {
        const flags = new Set(message.flags)
        for (const flag of command.add) flags.add(flag)
        for (const flag of command.remove) flags.delete(flag)
        return { ...message, flags: [...flags] }
      }
    case 'move':
      return (message) => (message.folderId === command.folderId ? message : { ...message, folderId: command.folderId })
    case 'delete':
      return () => undefined
    case 'restore':
      return (message) => message
    default: {
      const never: never = command
      return never
    }
  }
}

async function perform(command: Command): Promise<Revision> {
  let revision: Revision = '0'
  for (let from = 0; from < command.ids.length; from += CHUNK) {
    const messageIds = command.ids.slice(from, from + CHUNK)
    revision = await performChunk(command, messageIds)
  }
  return revision
}

async function performChunk(command: Command, messageIds: readonly string[]): Promise<Revision> {
  interface Answer {
    readonly [field: string]: { readonly revision: Revision }
  }
  const answerOf = async (query: string, variables: object): Promise<Revision> => {
    const answer = await graphql<Answer>(query, variables)
    return Object.values(answer)[0]?.revision ?? '0'
  }
  switch (command.kind) {
    case 'flags':
      return answerOf(SET_FLAGS, { messageIds, add: command.add, remove: command.remove })
    case 'move':
      return answerOf(MOVE, { messageIds, folderId: command.folderId })
    case 'delete':
      return answerOf(DELETE, { messageIds })
    case 'restore':
      return answerOf(RESTORE, { messageIds })
    default: {
      const never: never = command
      return never
    }
  }
}
