// Throw-away folders for tests, removed when the test ends.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** A fresh folder under the system's temporary one. */
export function temporaryFolder(t: Pick<TestContext, 'after'>): string {
  const path = mkdtempSync(join(tmpdir(), 'everpost-test-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}
