// The tree view in SQLite. Hashes lie in tiles of 256: tile (level, number) holds the roots of 256 neighbouring subtrees of 256^level
// leaves each. A leaf costs its 32 bytes and an eighth of a byte for what is above it; a proof reads two tiles a level and computes
// the few nodes inside them. Positions of a tile's events are kept only where they are not one after the other.
import { consistencyProof, HASH_BYTES, inclusionProof, nodeHash, rootOf } from '../../domain/audit/merkle.ts'
import type { Position } from '../../domain/log.ts'
import { type TreeReader, type TreeUnit, treeProjector } from '../../projections/audit/tree.ts'
import type { ParkedEvent, ViewStore } from '../../projections/ports/view-store.ts'
import { openForReading, Queries, SqliteStore, type ViewSchema } from '../adapters/views/sqlite-file.ts'
import { sha256 } from './signing-key.ts'

/** 2^8 hashes a tile. */
const TILE_LEVELS = 8
const TILE = 2 ** TILE_LEVELS
/** 16 KB each with what is computed of them. */
const CACHED_TILES = 128

export const treeSchema: ViewSchema = {
  name: treeProjector.name,
  version: treeProjector.version,
  tables: `
    CREATE TABLE tile (level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, number)) WITHOUT ROWID;
    CREATE TABLE place (number INTEGER PRIMARY KEY, first INTEGER NOT NULL UNIQUE, positions BLOB);`,
  indexes: '',
}

/** The tile that is still growing, on each level. */
interface Edge {
  number: number
  readonly hashes: Buffer
  count: number
  changed: boolean
}

export class SqliteTree extends SqliteStore implements ViewStore<TreeUnit> {
  #edges: Edge[] = []
  /** Positions of the events of the growing tile. */
  #positions: number[] = []

  constructor(path: string, mode: 'live' | 'fill') {
    super(path, treeSchema, mode)
    this.#load()
  }

  digest(): string {
    return treeDigest(new SqliteTreeReader(this.queries))
  }
  begin(): TreeUnit {
    return { leaves: [] }
  }

  commit(unit: TreeUnit, checkpoint: Position, parked: readonly ParkedEvent[]): void {
    try {
      this.file.commit(() => this.#store(unit), checkpoint, parked)
    } catch (error) {
      this.#load()
      throw error
    }
  }

  #store({ leaves }: TreeUnit): void {
    for (const { position, leaf } of leaves) {
      this.#positions.push(Number(position))
      this.#push(0, leaf)
    }
    for (const [level, edge] of this.#edges.entries()) if (edge.changed) this.#write(level, edge)
  }

  #push(level: number, hash: Uint8Array): void {
    const edge = (this.#edges[level] ??= {
      number: 0,
      hashes: Buffer.alloc(TILE * HASH_BYTES),
      count: 0,
      changed: false,
    })
    edge.hashes.set(hash, edge.count * HASH_BYTES)
    edge.count++
    edge.changed = true
    if (edge.count < TILE) return
    this.#write(level, edge)
    this.#push(level + 1, rootOfTile(edge.hashes))
    edge.number++
    edge.count = 0
    edge.changed = false
    if (level === 0) this.#positions = []
  }

  #write(level: number, edge: Edge): void {
    const put = this.file.db.prepare('INSERT OR REPLACE INTO tile VALUES (?, ?, ?)')
    put.run(level, edge.number, edge.hashes.subarray(0, edge.count * HASH_BYTES))
    edge.changed = false
    if (level > 0) return
    const [first = 0] = this.#positions
    this.file.db
      .prepare('INSERT OR REPLACE INTO place VALUES (?, ?, ?)')
      .run(edge.number, first, packPositions(this.#positions))
  }

  #load(): void {
    this.#edges = []
    const tiles = this.queries
      .prepare('SELECT level, max(number), hashes FROM tile GROUP BY level ORDER BY level')
      .all()
    for (const [level, number, cell] of tiles) {
      const hashes = Buffer.alloc(TILE * HASH_BYTES)
      const kept = cell as Uint8Array
      const full = kept.length === hashes.length
      if (!full) hashes.set(kept)
      const count = full ? 0 : kept.length / HASH_BYTES
      this.#edges[Number(level)] = { number: Number(number) + (full ? 1 : 0), hashes, count, changed: false }
    }
    const [edge] = this.#edges
    const place = edge && this.queries.prepare('SELECT first, positions FROM place WHERE number = ?').get(edge.number)
    this.#positions = place ? unpackPositions(Number(place[0]), place[1] as Uint8Array | null, edge?.count ?? 0) : []
  }
}

export class SqliteTreeReader implements TreeReader {
  readonly #queries: Queries
  readonly size: number
  readonly position: Position | undefined
  /** The tiles of a proof lie close together, and proofs of neighbours share most of theirs. */
  readonly #tiles = new Map<string, readonly Buffer[]>()

  constructor(queries: Queries) {
    this.#queries = queries
    const last = queries
      .prepare('SELECT number, length(hashes) FROM tile WHERE level = 0 ORDER BY number DESC LIMIT 1')
      .get()
    this.size = last ? Number(last[0]) * TILE + Number(last[1]) / HASH_BYTES : 0
    const checkpoint = queries.prepare('SELECT checkpoint FROM view').get()?.[0]
    this.position = typeof checkpoint === 'number' ? BigInt(checkpoint) : undefined
  }

  rootAt(size: number): Uint8Array {
    this.#within(size)
    return rootOf(sha256, this.#node, size)
  }
  leafAt(index: number): Uint8Array {
    this.#within(index + 1)
    return this.#node(0, index)
  }
  inclusion(index: number, size: number): Uint8Array[] {
    this.#within(size)
    return inclusionProof(sha256, this.#node, index, size)
  }
  consistency(first: number, second: number): Uint8Array[] {
    this.#within(second)
    return consistencyProof(sha256, this.#node, first, second)
  }

  indexOf(position: Position): number | undefined {
    const row = this.#queries
      .prepare('SELECT number, first, positions FROM place WHERE first <= ? ORDER BY first DESC LIMIT 1')
      .get(Number(position))
    if (!row) return undefined
    const number = Number(row[0])
    const count = (this.#tile(0, number)[0] as Buffer).length / HASH_BYTES
    const at = unpackPositions(Number(row[1]), row[2] as Uint8Array | null, count).indexOf(Number(position))
    return at < 0 ? undefined : number * TILE + at
  }

  *leaves(from = 0): Generator<{ readonly position: Position; readonly leaf: Uint8Array }> {
    const rows = this.#queries
      .prepare(
        `SELECT tile.number, hashes, first, positions FROM tile JOIN place USING (number)
         WHERE level = 0 AND tile.number >= ? ORDER BY tile.number`,
      )
      .iterate(Math.floor(from / TILE))
    for (const [number, hashes, first, packed] of rows) {
      const bytes = hashes as Uint8Array
      const positions = unpackPositions(Number(first), packed as Uint8Array | null, bytes.length / HASH_BYTES)
      for (const [i, position] of positions.entries()) {
        if (Number(number) * TILE + i < from) continue
        yield { position: BigInt(position), leaf: bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES) }
      }
    }
  }

  #within(size: number): void {
    if (size < 0 || size > this.size) throw new RangeError(`The tree has ${this.size} leaves, not ${size}`)
  }

  readonly #node = (level: number, index: number): Uint8Array => {
    const inside = level % TILE_LEVELS
    const first = index * 2 ** inside
    const rows = this.#tile((level - inside) / TILE_LEVELS, Math.floor(first / TILE))
    const at = ((first % TILE) / 2 ** inside) * HASH_BYTES
    return (rows[inside] as Buffer).subarray(at, at + HASH_BYTES)
  }

  /** The hashes of a tile, and those of the full subtrees inside it, level by level. */
  #tile(level: number, number: number): readonly Buffer[] {
    const key = `${level}/${number}`
    const cached = this.#tiles.get(key)
    if (cached) return cached
    const row = this.#queries.prepare('SELECT hashes FROM tile WHERE level = ? AND number = ?').get(level, number)
    if (!row) throw new RangeError(`The tree has no tile ${key}`)
    const bytes = row[0] as Uint8Array
    const rows = [Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)]
    while (rows.length < TILE_LEVELS) rows.push(parentsOf(rows.at(-1) as Buffer))
    if (this.#tiles.size >= CACHED_TILES) this.#tiles.clear()
    this.#tiles.set(key, rows)
    return rows
  }
}

/** Opens a tree file at one moment of it. */
export function openTree(path: string): { readonly tree: TreeReader; close(): void } {
  const db = openForReading(path)
  db.exec('BEGIN')
  return { tree: new SqliteTreeReader(new Queries(db)), close: () => db.close() }
}

/** The root says all of the hashes; positions are added to it. */
export function treeDigest(tree: TreeReader): string {
  const bytes: string[] = []
  let digest = Buffer.from(tree.rootAt(tree.size)).toString('hex')
  const fold = () => {
    digest = Buffer.from(sha256(Buffer.from(`${digest} ${bytes.join(' ')}`))).toString('hex')
    bytes.length = 0
  }
  for (const { position } of tree.leaves()) {
    bytes.push(`${position}`)
    if (bytes.length === 4096) fold()
  }
  fold()
  return digest
}

/** Hashes of the pairs, a last one without a partner left out. */
function parentsOf(hashes: Buffer): Buffer {
  const pairs = Math.floor(hashes.length / (2 * HASH_BYTES))
  const parents = Buffer.alloc(pairs * HASH_BYTES)
  for (let i = 0; i < pairs; i++) {
    const at = 2 * i * HASH_BYTES
    const left = hashes.subarray(at, at + HASH_BYTES)
    parents.set(nodeHash(sha256, left, hashes.subarray(at + HASH_BYTES, at + 2 * HASH_BYTES)), i * HASH_BYTES)
  }
  return parents
}

/** Root of a full tile. */
function rootOfTile(hashes: Buffer): Uint8Array {
  let row = hashes
  while (row.length > HASH_BYTES) row = parentsOf(row)
  return row
}

/** Null for positions that follow one another; else 8 bytes each. */
function packPositions(positions: readonly number[]): Uint8Array | null {
  const [first = 0] = positions
  if (positions.every((position, i) => position === first + i)) return null
  const bytes = Buffer.alloc(positions.length * 8)
  for (const [i, position] of positions.entries()) bytes.writeBigUInt64LE(BigInt(position), i * 8)
  return bytes
}

function unpackPositions(first: number, packed: Uint8Array | null, count: number): number[] {
  if (packed === null) return Array.from({ length: count }, (_, i) => first + i)
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.length)
  return Array.from({ length: bytes.length / 8 }, (_, i) => Number(bytes.readBigUInt64LE(i * 8)))
}
