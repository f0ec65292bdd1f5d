// One process per data folder. The lock is the operating system's, on a small SQLite file: a killed process leaves nothing behind.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { EventStoreError } from '../commands/ports/event-store.ts'

export interface DataLock {
  release(): void
}

/** A handle that nobody refers to is collected, and its lock with it: these are kept whatever their owner does. */
const locks = new Set<DatabaseSync>()

/** Throws 'locked' when another process has the folder, 'read-only' when it cannot be written. */
export function lockData(path: string): DataLock {
  let db: DatabaseSync | undefined
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    db = new DatabaseSync(path, { timeout: 0 })
    db.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
  } catch (error) {
    if (db?.isOpen) db.close()
    const { errcode, message } = error as { errcode?: number; message?: string }
    const folder = dirname(path)
    if (errcode !== undefined && (errcode & 0xff) === 5) {
      throw new EventStoreError(
        'locked',
        `Another Everpost is running on ${folder}: stop it, or choose another folder with --data`,
      )
    }
    if (errcode !== undefined && (errcode & 0xff) === 13) {
      throw new EventStoreError('disk-full', `No space left under ${folder}: free some and start again`)
    }
    throw new EventStoreError(
      'read-only',
      `The data folder ${folder} cannot be written (${message}): check its owner and mode, or choose another with --data`,
    )
  }
  const held = db
  locks.add(held)
  return {
    release: () => {
      locks.delete(held)
      held.close()
    },
  }
}
