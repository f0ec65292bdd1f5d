// Which generation of each view serves: a small JSON file, replaced by one rename, and the clearing of what is not in it.
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

interface CatalogEntry {
  readonly generation: number
  /** The generation before, kept for a way back until the next rebuild. */
  readonly previous: number | null
}

/** Several catalogs may live in one folder under different file names (views, search); each clears only its own projections. */
export class Catalog {
  readonly #folder: string
  readonly #path: string
  readonly #entries = new Map<string, CatalogEntry>()

  constructor(folder: string, file = 'catalog.json') {
    this.#folder = folder
    this.#path = join(folder, file)
    mkdirSync(folder, { recursive: true })
    this.reload()
  }

  /** Unreadable counts as empty: everything in it can be rebuilt. */
  reload(): void {
    this.#entries.clear()
    try {
      const parsed: unknown = JSON.parse(readFileSync(this.#path, 'utf8'))
      for (const [name, entry] of Object.entries(parsed as Record<string, Partial<CatalogEntry>>)) {
        if (Number.isSafeInteger(entry.generation) && (entry.generation ?? 0) > 0)
          this.#entries.set(name, { generation: Number(entry.generation), previous: entry.previous ?? null })
      }
    } catch {
      this.#entries.clear()
    }
  }

  generation(name: string): number | undefined {
    return this.#entries.get(name)?.generation
  }

  path(name: string, generation: number): string {
    return join(this.#folder, `${name}-${generation}.sqlite`)
  }

  /** A number above every generation that left a trace. */
  next(name: string): number {
    const known = this.#files(name).map((each) => each.generation)
    return Math.max(0, this.#entries.get(name)?.generation ?? 0, ...known) + 1
  }

  /** Readers that ask from here on get this generation; the one that served is kept. One rename. */
  flip(name: string, generation: number): void {
    this.flipAll([[name, generation]])
  }

  flipAll(flips: readonly (readonly [name: string, generation: number])[]): void {
    for (const [name, generation] of flips)
      this.#entries.set(name, { generation, previous: this.#entries.get(name)?.generation ?? null })
    const next = `${this.#path}.next`
    const file = openSync(next, 'w')
    writeSync(file, `${JSON.stringify(Object.fromEntries(this.#entries), null, 2)}\n`)
    fsyncSync(file)
    closeSync(file)
    renameSync(next, this.#path)
    const folder = openSync(this.#folder, 'r')
    fsyncSync(folder)
    closeSync(folder)
  }

  /** Removes files of the projection that neither serve nor are kept; at start those are what a killed rebuild left. */
  clear(name: string, keepPrevious = true): void {
    const entry = this.#entries.get(name)
    for (const { file, generation } of this.#files(name)) {
      if (generation === entry?.generation || (keepPrevious && generation === entry?.previous)) continue
      rmSync(join(this.#folder, file), { force: true })
    }
  }

  #files(name: string): { file: string; generation: number }[] {
    return readdirSync(this.#folder).flatMap((file) => {
      const match =
        file.startsWith(`${name}-`) && /^(\d+)\.sqlite(-wal|-shm|-journal)?$/.exec(file.slice(name.length + 1))
      return match ? [{ file, generation: Number(match[1]) }] : []
    })
  }
}
