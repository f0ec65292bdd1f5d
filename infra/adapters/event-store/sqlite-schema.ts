// Schema of the SQLite log and the steps from every older version to the newest.
import { DatabaseSync } from 'node:sqlite'
import { EventStoreError } from '../../../commands/ports/event-store.ts'

/** Step N brings a log of version N to version N + 1. Steps are never edited once released. */
const STEPS: readonly string[] = [
  `CREATE TABLE stream (
     id INTEGER PRIMARY KEY,
     name TEXT NOT NULL UNIQUE,
     revision INTEGER NOT NULL
   );
   CREATE TABLE type (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
   CREATE TABLE event (
     position INTEGER PRIMARY KEY,
     stream INTEGER NOT NULL,
     revision INTEGER NOT NULL,
     type INTEGER NOT NULL,
     id BLOB NOT NULL,
     metadata BLOB NOT NULL,
     data BLOB NOT NULL
   );
   CREATE UNIQUE INDEX event_by_revision ON event (stream, revision);
   CREATE UNIQUE INDEX event_by_id ON event (stream, id);`,
]

/** 'EVPL': marks the file as an Everpost log (PRAGMA application_id). */
const APPLICATION_ID = 0x4556504c

export const NEWEST_SCHEMA = STEPS.length

/** Opens the writer's connection: WAL, every commit on disk before it is answered, schema brought up to date in one transaction. */
export function openLogForWriting(path: string, steps: readonly string[] = STEPS): DatabaseSync {
  let db: DatabaseSync
  try {
    db = new DatabaseSync(path, { timeout: 5000 })
    const fresh = db.prepare('PRAGMA page_count').get()?.['page_count'] === 0
    if (fresh) db.exec('PRAGMA page_size = 8192')
    db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 4000',
    )
    const application = db.prepare('PRAGMA application_id').get()?.['application_id']
    if (!fresh && application !== APPLICATION_ID) {
      throw new EventStoreError('corrupt', `${path} is not an Everpost log: point "data" at another folder`)
    }
    upgrade(db, path, steps)
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
  } catch (error) {
    throw toEventStoreError(error, path)
  }
  return db
}

/** Opens a reader's connection; it never blocks the writer and is never blocked by it. */
export function openLogForReading(path: string): DatabaseSync {
  try {
    const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 })
    db.exec('PRAGMA cache_size = -8192')
    return db
  } catch (error) {
    throw toEventStoreError(error, path)
  }
}

function upgrade(db: DatabaseSync, path: string, steps: readonly string[]): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
  if (version > steps.length) {
    throw new EventStoreError(
      'newer-schema',
      `${path} was written by a newer Everpost (schema ${version}, this one knows ${steps.length}): install that version`,
    )
  }
  if (version === steps.length) return
  db.exec('BEGIN IMMEDIATE')
  try {
    for (const step of steps.slice(version)) db.exec(step)
    db.exec(`PRAGMA user_version = ${steps.length}`)
    db.exec('COMMIT')
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}

const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
const SQLITE_READONLY = 8
const SQLITE_IOERR = 10
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_CANTOPEN = 14
const SQLITE_NOTADB = 26

/** SQLite's result codes in words that an operator can act on. */
export function toEventStoreError(error: unknown, path: string): EventStoreError {
  if (error instanceof EventStoreError) return error
  const message = error instanceof Error ? error.message : String(error)
  const options = { cause: error }
  switch (Number((error as { errcode?: number }).errcode ?? 0) & 0xff) {
    case SQLITE_FULL:
      return new EventStoreError(
        'disk-full',
        `No space left for the log ${path}: free some, mail is refused until then`,
        options,
      )
    case SQLITE_READONLY:
      return new EventStoreError('read-only', `The log ${path} cannot be written: ${message}`, options)
    case SQLITE_CANTOPEN:
      return new EventStoreError(
        'read-only',
        `The log ${path} cannot be opened: check that the folder exists and is writable`,
        options,
      )
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new EventStoreError(
        'corrupt',
        `The log ${path} is damaged (${message}): stop, copy the folder, restore from a backup`,
        options,
      )
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return new EventStoreError('locked', `The log ${path} is in use by another process: stop it first`, options)
    case SQLITE_IOERR:
      return new EventStoreError('unavailable', `The disk under ${path} answered with an error: ${message}`, options)
    default:
      return new EventStoreError('unavailable', `The log ${path} failed: ${message}`, options)
  }
}
