// The keys of a backup: one file apart from it, replaced at every run, so that the keys of erased accounts do not live on in it.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { KeyringPlace } from '../adapters/journal/open-source.ts'
import { readKeys, type WrappedKey, writeKeys } from '../adapters/keyring/copy-keys.ts'
import { BackupError } from './backup-folder.ts'

/** Writes all keys, wrapped by the master key; how many. */
export async function saveKeys(place: KeyringPlace, path: string): Promise<number> {
  const keys: WrappedKey[] = []
  for await (const key of readKeys(place)) keys.push(key)
  writeFileSync(`${path}.new`, `${JSON.stringify({ format: 1, keys })}\n`, { flush: true, mode: 0o600 })
  renameSync(`${path}.new`, path)
  return keys.length
}

/** Puts them into an empty keyring; how many were new. */
export function loadKeys(place: KeyringPlace, path: string): Promise<number> {
  const { format, keys } = JSON.parse(readFileSync(path, 'utf8')) as { format: number; keys: readonly WrappedKey[] }
  if (format !== 1) throw new BackupError(`${path} was written by a newer Everpost: format ${format}`)
  return writeKeys(
    place,
    (async function* () {
      yield* keys
    })(),
  )
}
