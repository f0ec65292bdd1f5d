// What one process tells the others of its cell, so that nobody has to ask: messages may be lost, and every follower can read what it missed.
import type { AccountId, Position, Revision } from '../../domain/log.ts'

/** Views were committed: the newest revision of each mailbox that was touched, up to a position of the log. */
export interface Applied {
  readonly mailboxes: ReadonlyMap<AccountId, Revision>
  readonly position: Position
}

export interface FanOut {
  /** To every process of the cell but this one. Never waits; what cannot be sent is lost. */
  publish(applied: Applied): void
  /** Answers the way to stop. */
  subscribe(listener: (applied: Applied) => void): () => void
  /** Called when messages may have been missed: whoever follows reads again from where it stands. */
  onMissed(listener: () => void): () => void
  close(): Promise<void>
}
