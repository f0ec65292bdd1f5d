// The last revision seen of each stream of a log: in memory while they are few, else in an unnamed file that is gone when it is closed.
import { DatabaseSync } from 'node:sqlite'

const IN_MEMORY = 200_000

export class StreamEnds {
  readonly #recent = new Map<string, number>()
  #db: DatabaseSync | undefined

  get(stream: string): number | undefined {
    const recent = this.#recent.get(stream)
    if (recent !== undefined || this.#db === undefined) return recent
    const row = this.#db.prepare('SELECT revision FROM ends WHERE stream = ?').get(stream)
    return row && Number(row['revision'])
  }

  set(stream: string, revision: number): void {
    if (this.#recent.size >= IN_MEMORY && !this.#recent.has(stream)) this.#spill()
    this.#recent.set(stream, revision)
  }

  close(): void {
    this.#db?.close()
  }

  #spill(): void {
    if (this.#db === undefined) {
      this.#db = new DatabaseSync('')
      this.#db.exec('CREATE TABLE ends (stream TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID')
    }
    const put = this.#db.prepare('INSERT OR REPLACE INTO ends VALUES (?, ?)')
    this.#db.exec('BEGIN')
    for (const [stream, revision] of this.#recent) put.run(stream, revision)
    this.#db.exec('COMMIT')
    this.#recent.clear()
  }
}
