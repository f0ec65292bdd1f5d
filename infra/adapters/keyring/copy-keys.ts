// Wrapped keys out of one keyring and into another: for backups, and for moving from one engine to the next. They stay wrapped.
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { KeyringPlace } from '../journal/open-source.ts'
import { KEY_TABLE, KeyringError } from './file.ts'

export interface WrappedKey {
  readonly owner: string
  /** Base64. */
  readonly wrapped: string
}

const PAGE = 1000

export async function* readKeys(place: KeyringPlace): AsyncGenerator<WrappedKey> {
  if (typeof place === 'string') {
    const db = new DatabaseSync(place, { readOnly: true, timeout: 5000 })
    try {
      for (const row of db.prepare('SELECT owner, wrapped FROM data_key ORDER BY owner').iterate())
        yield {
          owner: String(row['owner']),
          wrapped: Buffer.from(row['wrapped'] as Uint8Array).toString('base64'),
        }
    } finally {
      db.close()
    }
    return
  }
  const { readMongoKeys } = await import('./mongodb.ts')
  yield* readMongoKeys(place.mongodb)
}

/** Adds keys that are not there. Rejects when the keyring belongs to another log: its system key is another. */
export async function writeKeys(place: KeyringPlace, keys: AsyncIterable<WrappedKey>): Promise<number> {
  if (typeof place !== 'string') {
    const { writeMongoKeys } = await import('./mongodb.ts')
    return writeMongoKeys(place.mongodb, keys)
  }
  mkdirSync(dirname(place), { recursive: true, mode: 0o700 })
  const fresh = !existsSync(place)
  const db = new DatabaseSync(place, { timeout: 5000 })
  try {
    db.exec(KEY_TABLE)
    const add = db.prepare('INSERT INTO data_key (owner, wrapped) VALUES (?, ?) ON CONFLICT DO NOTHING')
    const system = db.prepare("SELECT wrapped FROM data_key WHERE owner = 'system'")
    let added = 0
    db.exec('BEGIN')
    for await (const { owner, wrapped } of keys) {
      const bytes = Buffer.from(wrapped, 'base64')
      if (owner === 'system' && !fresh) {
        const own = system.get()?.['wrapped'] as Uint8Array | undefined
        if (own && Buffer.compare(own, bytes) !== 0) throw otherKeyring(place)
      }
      added += Number(add.run(owner, bytes).changes)
      if (added % PAGE === PAGE - 1) db.exec('COMMIT; BEGIN')
    }
    db.exec('COMMIT')
    return added
  } finally {
    db.close()
  }
}

export const otherKeyring = (place: string): KeyringError =>
  new KeyringError('unavailable', `The keyring ${place} belongs to another log: choose an empty one`)
