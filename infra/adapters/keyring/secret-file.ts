// A new file that only its owner may read, written whole or not at all: a kill must not leave an empty key behind.
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** Mode 0600, on disk when it returns; replaces nothing but what an interrupted call left. */
export function writeSecretFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const fresh = `${path}.new`
  rmSync(fresh, { force: true })
  const file = openSync(fresh, 'wx', 0o600)
  writeSync(file, text)
  fsyncSync(file)
  closeSync(file)
  renameSync(fresh, path)
}
