// A backup on disk: files that are only ever added, and a manifest that names them. What the manifest does not name is not there.
//
//   manifest.json       format, and for each file its kind, SHA-256, count, and where the log stood
//   log-NNNNNN.evb      events in log order           blobs-NNNNNN.evb   stored blobs, sealed
//   file = "EVB1\n" record*      record = length of header (u32 LE) header (JSON, its `bytes` are the lengths of what follows) bytes*
import { createHash } from 'node:crypto'
import {
  createReadStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'

const MAGIC = Buffer.from('EVB1\n')
const WRITE_BYTES = 4 * 1024 * 1024
const MAX_HEADER = 64 * 1024

export interface BackupFile {
  readonly kind: 'log' | 'blobs'
  readonly name: string
  readonly sha256: string
  readonly count: number
  readonly bytes: number
  /** Of a log file: position in the backed-up store and id of its last event. */
  readonly position?: string
  readonly lastId?: string
}

export interface Manifest {
  readonly format: 1
  readonly files: readonly BackupFile[]
}

export interface Record {
  readonly header: { readonly [name: string]: unknown; readonly bytes: readonly number[] }
  readonly parts: readonly Buffer[]
}

export class BackupError extends Error {}

export class BackupFolder {
  readonly path: string
  #manifest: Manifest

  private constructor(path: string, manifest: Manifest) {
    this.path = path
    this.#manifest = manifest
  }

  static open(path: string, { create }: { readonly create: boolean }): BackupFolder {
    const file = join(path, 'manifest.json')
    if (!existsSync(file)) {
      if (!create) throw new BackupError(`${path} is no backup: there is no manifest.json in it`)
      mkdirSync(path, { recursive: true, mode: 0o700 })
      return new BackupFolder(path, { format: 1, files: [] })
    }
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest
    if (manifest.format !== 1)
      throw new BackupError(`${path} was written by a newer Everpost: format ${manifest.format}`)
    return new BackupFolder(path, manifest)
  }

  get files(): readonly BackupFile[] {
    return this.#manifest.files
  }

  filesOf(kind: BackupFile['kind']): readonly BackupFile[] {
    return this.#manifest.files.filter((file) => file.kind === kind)
  }

  /** A new file; it belongs to the backup once `commit` has named it. */
  begin(kind: BackupFile['kind']): Promise<BackupWriter> {
    const number = String(this.filesOf(kind).length + 1).padStart(6, '0')
    const name = `${kind}-${number}.evb`
    return BackupWriter.open(join(this.path, name), kind, name)
  }

  /** Names files that are whole and on disk. */
  commit(files: readonly BackupFile[]): void {
    this.#manifest = { format: 1, files: [...this.#manifest.files, ...files] }
    const path = join(this.path, 'manifest.json')
    writeFileSync(`${path}.new`, `${JSON.stringify(this.#manifest, null, 2)}\n`, { flush: true, mode: 0o600 })
    renameSync(`${path}.new`, path)
    fsyncSync(openSync(this.path, 'r'))
  }

  /** The records of a file. Rejects when it is not byte for byte what was written. */
  async *read({ name, sha256 }: BackupFile): AsyncGenerator<Record> {
    const hash = createHash('sha256')
    let held: Buffer = Buffer.alloc(0)
    let begun = false
    for await (const chunk of createReadStream(join(this.path, name), { highWaterMark: WRITE_BYTES })) {
      hash.update(chunk as Buffer)
      held = held.length === 0 ? (chunk as Buffer) : Buffer.concat([held, chunk as Buffer])
      let at = 0
      if (!begun) {
        if (!held.subarray(0, MAGIC.length).equals(MAGIC)) throw new BackupError(`${name} is not a file of a backup`)
        at = MAGIC.length
        begun = true
      }
      for (;;) {
        const record = recordAt(held, at, name)
        if (!record) break
        at = record.end
        yield record.record
      }
      held = held.subarray(at)
    }
    if (held.length > 0) throw new BackupError(`${name} is cut short: restore it from another copy`)
    if (hash.digest('hex') !== sha256)
      throw new BackupError(`${name} was changed since it was written: its SHA-256 is another`)
  }
}

function recordAt(
  bytes: Buffer,
  at: number,
  name: string,
): { readonly record: Record; readonly end: number } | undefined {
  if (bytes.length < at + 4) return undefined
  const length = bytes.readUInt32LE(at)
  if (length > MAX_HEADER) throw new BackupError(`${name} is damaged: a record's header is ${length} bytes long`)
  if (bytes.length < at + 4 + length) return undefined
  const header = JSON.parse(bytes.toString('utf8', at + 4, at + 4 + length)) as Record['header']
  let end = at + 4 + length
  const parts: Buffer[] = []
  for (const size of header.bytes) {
    if (bytes.length < end + size) return undefined
    parts.push(bytes.subarray(end, end + size))
    end += size
  }
  return { record: { header, parts }, end }
}

export class BackupWriter {
  readonly #file: FileHandle
  readonly #kind: BackupFile['kind']
  readonly #name: string
  readonly #hash = createHash('sha256')
  #parts: Uint8Array[] = [MAGIC]
  #gathered = MAGIC.length
  #bytes = 0
  count = 0

  private constructor(file: FileHandle, kind: BackupFile['kind'], name: string) {
    this.#file = file
    this.#kind = kind
    this.#name = name
  }

  static async open(path: string, kind: BackupFile['kind'], name: string): Promise<BackupWriter> {
    return new BackupWriter(await open(path, 'w', 0o600), kind, name)
  }

  get bytes(): number {
    return this.#bytes + this.#gathered
  }

  async write(header: { readonly [name: string]: unknown }, parts: readonly Uint8Array[]): Promise<void> {
    const text = Buffer.from(JSON.stringify({ ...header, bytes: parts.map(({ length }) => length) }))
    const length = Buffer.alloc(4)
    length.writeUInt32LE(text.length)
    for (const part of [length, text, ...parts]) {
      this.#parts.push(part)
      this.#gathered += part.length
    }
    this.count++
    if (this.#gathered >= WRITE_BYTES) await this.#flush()
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#parts)
    this.#parts = []
    this.#gathered = 0
    this.#hash.update(bytes)
    this.#bytes += bytes.length
    await this.#file.writeFile(bytes)
  }

  /** On disk when it resolves. */
  async finish(last: Pick<BackupFile, 'position' | 'lastId'> = {}): Promise<BackupFile> {
    await this.#flush()
    await this.#file.sync()
    await this.#file.close()
    const sha256 = this.#hash.digest('hex')
    return { kind: this.#kind, name: this.#name, sha256, count: this.count, bytes: this.#bytes, ...last }
  }

  async abandon(): Promise<void> {
    await this.#file.close().catch(() => undefined)
  }
}
