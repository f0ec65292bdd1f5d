// Rows of one table during one unit of work: loaded once, changed in memory, handed to the engine at commit.

export interface RowChange<Row> {
  readonly key: string
  /** Undefined: the row goes. */
  readonly row: Row | undefined
  /** Whether the engine held a row under this key when the unit began. */
  readonly stored: boolean
}

interface Entry<Row> {
  row: Row | undefined
  readonly stored: boolean
  changed: boolean
}

export class Table<Row extends object> {
  readonly #load: (key: string) => Row | undefined
  readonly #entries = new Map<string, Entry<Row>>()

  /** `load` answers an object that the unit may change. */
  constructor(load: (key: string) => Row | undefined) {
    this.#load = load
  }

  #entry(key: string): Entry<Row> {
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      const row = this.#load(key)
      entry = { row, stored: row !== undefined, changed: false }
      this.#entries.set(key, entry)
    }
    return entry
  }

  get(key: string): Row | undefined {
    return this.#entry(key).row
  }

  /** Stores a new row, or says that the row got by `get` was changed. */
  put(key: string, row: Row): void {
    const entry = this.#entry(key)
    entry.row = row
    entry.changed = true
  }

  delete(key: string): void {
    const entry = this.#entry(key)
    entry.row = undefined
    entry.changed = true
  }

  /** Rows that the unit holds now, loaded or new. */
  *rows(): Iterable<Row> {
    for (const entry of this.#entries.values()) if (entry.row !== undefined) yield entry.row
  }

  *entries(): Iterable<readonly [key: string, row: Row]> {
    for (const [key, entry] of this.#entries) if (entry.row !== undefined) yield [key, entry.row]
  }

  *changes(): Iterable<RowChange<Row>> {
    for (const [key, entry] of this.#entries) {
      if (entry.changed && (entry.stored || entry.row !== undefined))
        yield { key, row: entry.row, stored: entry.stored }
    }
  }
}
