// What every part of the signed-in app works with.

import { createContext, useContext, useSyncExternalStore } from 'react'
import type { CommandQueue } from '../data/commands.ts'
import type { Details } from '../data/details.ts'
import type { Mailbox } from '../data/mailbox.ts'
import type { Actions } from '../mail/actions.ts'

export interface Desk {
  readonly mailbox: Mailbox
  readonly details: Details
  readonly queue: CommandQueue
  readonly actions: Actions
}

export const DeskContext = createContext<Desk | undefined>(undefined)

export function useDesk(): Desk {
  const desk = useContext(DeskContext)
  if (!desk) throw new Error('Only for parts inside the signed-in app')
  return desk
}

/** Follows something of the mailbox. `select` must give the same object while nothing it reads has changed. */
export function useMailbox<T>(select: (mailbox: Mailbox) => T): T {
  const { mailbox } = useDesk()
  return useSyncExternalStore(mailbox.subscribe, () => select(mailbox))
}
