// Throw-away folders for tests, removed when the process of the test file ends: after every hook, whatever is still open in them.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const made: string[] = []
process.once('exit', () => {
  for (const path of made) rmSync(path, { recursive: true, force: true })
})

/** A fresh folder under the system's temporary one. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'everpost-test-'))
  made.push(path)
  return path
}
