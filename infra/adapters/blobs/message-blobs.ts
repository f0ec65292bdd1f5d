// Messages sealed over any blob store: cut into frames of 256 KiB, each compressed and encrypted on its own, so that a range of a
// large message opens without the rest and none of it need be whole in memory.
//
//   stored = version(1) frame* [table]
//   frame  = ciphertext tag(16) of  packing(1) bytes        nonce = frame number(u32 BE) 0…; the last has its top bit set
//   table  = length of each frame (u32 LE)*, only with two frames or more; a wrong length makes its frame fail to authenticate
//
// Each message has a key of its own, used for nothing else, so counting nonces never repeats one (RFC 5116 §3.2).
import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto'
import {
  BlobError,
  type BlobStore,
  type MessageBlobs,
  type MessageBlobWriter,
  type StagedBlob,
} from '../../../commands/ports/blob-store.ts'
import type { BlobRef } from '../../../domain/mailbox/mailbox.ts'
import { packMail, unpack } from '../packing.ts'

const VERSION = 1
export const FRAME_BYTES = 256 * 1024
const TAG = 16
const LAST = 0x80000000
/** Raw mail that was just stored or read stays in memory: messages up to this, so many bytes of them. */
const RECENT_MESSAGE = 256 * 1024
const RECENT_BYTES = 32 * 1024 * 1024

export class SealedMessageBlobs implements MessageBlobs {
  readonly #store: BlobStore
  /** What came or was read just now and is likely to be asked for again; used last stands last. */
  readonly #recent = new Map<string, Uint8Array>()
  #recentBytes = 0

  readonly #keepsRecent: boolean

  /** `keepsRecent`: raw mail that was just stored or read is read from memory. */
  constructor(store: BlobStore, options: { readonly keepsRecent?: boolean } = {}) {
    this.#store = store
    this.#keepsRecent = options.keepsRecent ?? false
  }

  async put(raw: Uint8Array): Promise<BlobRef> {
    const { ref, durable } = this.stage(raw)
    await durable
    return ref
  }

  stage(raw: Uint8Array): StagedBlob {
    const key = randomBytes(32)
    const parts: Uint8Array[] = [Buffer.from([VERSION])]
    const lengths: number[] = []
    const frames = frameCount(raw.length)
    for (let frame = 0; frame < frames; frame++) {
      const sealed = sealFrame(
        key,
        frame,
        frame === frames - 1,
        raw.subarray(frame * FRAME_BYTES, (frame + 1) * FRAME_BYTES),
      )
      lengths.push(sealed.length)
      parts.push(sealed)
    }
    if (frames > 1) parts.push(encodeTable(lengths))
    const stored = Buffer.concat(parts)
    const id = hash('sha256', stored, 'hex')
    this.#remember(id, raw)
    return { ref: { id, key: key.toString('base64'), size: raw.length }, durable: this.#store.put(id, stored) }
  }

  async begin(): Promise<MessageBlobWriter> {
    const writer = await this.#store.begin()
    const key = randomBytes(32)
    const lengths: number[] = []
    let held = Buffer.alloc(0)
    let size = 0
    const writeFrame = async (last: boolean, bytes: Uint8Array) => {
      const sealed = sealFrame(key, lengths.length, last, bytes)
      await writer.write(lengths.length === 0 ? Buffer.concat([Buffer.from([VERSION]), sealed]) : sealed)
      lengths.push(sealed.length)
    }
    return {
      write: async (chunk) => {
        size += chunk.length
        held = Buffer.concat([held, chunk])
        while (held.length > FRAME_BYTES) {
          const frame = held.subarray(0, FRAME_BYTES)
          held = held.subarray(FRAME_BYTES)
          await writeFrame(false, frame)
        }
      },
      finish: async () => {
        await writeFrame(true, held)
        if (lengths.length > 1) await writer.write(encodeTable(lengths))
        return { id: await writer.finish(), key: key.toString('base64'), size }
      },
      abort: () => writer.abort(),
    }
  }

  async read(ref: BlobRef, start = 0, end = ref.size): Promise<Uint8Array> {
    const recent = this.#recent.get(ref.id)
    // What was deleted meanwhile is gone, here too.
    if (recent && (await this.#store.size(ref.id)) !== undefined) {
      this.#recent.delete(ref.id)
      this.#recent.set(ref.id, recent)
      return start === 0 && end === ref.size ? recent : recent.subarray(start, Math.max(start, end))
    }
    const parts: Uint8Array[] = []
    for await (const part of this.stream(ref, start, end)) parts.push(part)
    const bytes = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts)
    if (start === 0 && end === ref.size) this.#remember(ref.id, bytes)
    return bytes
  }

  async *stream(ref: BlobRef, start = 0, end = ref.size): AsyncGenerator<Uint8Array> {
    const from = Math.max(0, start)
    const to = Math.min(end, ref.size)
    const frames = frameCount(ref.size)
    const stored = await this.#store.size(ref.id)
    if (stored === undefined) throw new BlobError('not-found', `The raw bytes of this message are no longer kept`)
    const key = Buffer.from(ref.key, 'base64')
    if (frames === 1) {
      const bytes = openFrame(key, 0, true, (await this.#store.read(ref.id, 0, stored)).subarray(1), ref.id)
      yield from === 0 && to === ref.size ? bytes : bytes.subarray(from, Math.max(from, to))
      return
    }
    if (from >= to) return
    const offsets = await this.#offsets(ref.id, frames, stored)
    for (let frame = Math.floor(from / FRAME_BYTES); frame < frames && frame * FRAME_BYTES < to; frame++) {
      const sealed = await this.#store.read(ref.id, offsets[frame] as number, offsets[frame + 1] as number)
      const bytes = openFrame(key, frame, frame === frames - 1, sealed, ref.id)
      const base = frame * FRAME_BYTES
      yield bytes.subarray(Math.max(0, from - base), Math.min(bytes.length, to - base))
    }
  }

  #remember(id: string, raw: Uint8Array): void {
    if (!this.#keepsRecent || raw.length > RECENT_MESSAGE || this.#recent.has(id)) return
    this.#recent.set(id, raw)
    this.#recentBytes += raw.length
    for (const [oldest, { length }] of this.#recent) {
      if (this.#recentBytes <= RECENT_BYTES) break
      this.#recent.delete(oldest)
      this.#recentBytes -= length
    }
  }

  async #offsets(id: string, frames: number, stored: number): Promise<readonly number[]> {
    const table = Buffer.from(await this.#store.read(id, stored - 4 * frames, stored))
    const offsets = [1]
    for (let frame = 0; frame < frames; frame++)
      offsets.push((offsets[frame] as number) + table.readUInt32LE(4 * frame))
    if (offsets.at(-1) !== stored - 4 * frames) throw damaged(id)
    return offsets
  }
}

const frameCount = (size: number) => Math.max(1, Math.ceil(size / FRAME_BYTES))

const damaged = (id: string, cause?: unknown) =>
  new BlobError('corrupt', `Blob ${id} does not open: its bytes were changed, restore it from a backup`, { cause })

function nonceOf(frame: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE((frame | (last ? LAST : 0)) >>> 0)
  return nonce
}

function sealFrame(key: Uint8Array, frame: number, last: boolean, bytes: Uint8Array): Buffer {
  const packed = packMail(bytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(frame, last))
  const flag = cipher.update(Buffer.from([packed.mark]))
  const body = cipher.update(packed.bytes)
  cipher.final()
  return Buffer.concat([flag, body, cipher.getAuthTag()])
}

function openFrame(key: Uint8Array, frame: number, last: boolean, sealed: Uint8Array, id: string): Buffer {
  const end = sealed.length - TAG
  if (end < 1) throw damaged(id)
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(frame, last))
    decipher.setAuthTag(sealed.subarray(end))
    const plain = decipher.update(sealed.subarray(0, end))
    decipher.final()
    return unpack(plain[0] ?? 0, plain.subarray(1), FRAME_BYTES)
  } catch (cause) {
    throw damaged(id, cause)
  }
}

function encodeTable(lengths: readonly number[]): Buffer {
  const table = Buffer.alloc(4 * lengths.length)
  for (const [i, length] of lengths.entries()) table.writeUInt32LE(length, 4 * i)
  return table
}
