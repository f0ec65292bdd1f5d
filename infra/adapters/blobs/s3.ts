// Blobs in S3, under their content address below one prefix. The SDK is loaded when a store opens and not before: it is large.
import { createHash, randomUUID } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { S3Client } from '@aws-sdk/client-s3'
import { BlobError, type BlobStore, type BlobWriter } from '../../../commands/ports/blob-store.ts'

export interface S3Settings {
  /** `http://HOST:PORT`, or undefined for Amazon's own. */
  readonly endpoint: string | undefined
  readonly region: string
  readonly bucket: string
  /** Before every key, ending in `/`. */
  readonly prefix: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined
  /** Longest that one request may take, milliseconds. */
  readonly timeoutMs: number
}

/** Parts of a streamed upload; S3 asks for 5 MiB at least. */
const PART = 8 * 1024 * 1024
const PARALLEL_PARTS = 2
const ATTEMPTS = 4
const TIMEOUT_MS = 30_000
/** Streamed uploads lie here until their content address is known. */
const STAGING = 'staging/'

/**
 * `s3://KEY:SECRET@HOST:PORT/BUCKET[/PREFIX]`, with `?region=` and `?tls=1` for an endpoint with TLS; `s3://BUCKET` alone is Amazon's
 * with the credentials of the machine. Throws with a sentence.
 */
export function s3Settings(address: string): S3Settings {
  const url = URL.parse(address)
  if (url === null || url.protocol !== 's3:')
    throw new BlobError('unavailable', 'Blobs in S3 are named s3://KEY:SECRET@HOST:PORT/BUCKET')
  const [first = '', ...rest] = url.pathname.split('/').filter((part) => part !== '')
  const own = url.username !== '' || url.port !== ''
  const bucket = own ? first : url.hostname
  const folders = own ? rest : [first, ...rest].filter((part) => part !== '')
  if (bucket === '')
    throw new BlobError('unavailable', 'The address of the blobs names no bucket: s3://KEY:SECRET@HOST:PORT/BUCKET')
  const tls = url.searchParams.get('tls') === '1' || url.port === '443'
  return {
    endpoint: own ? `${tls ? 'https' : 'http'}://${url.host}` : undefined,
    region: url.searchParams.get('region') ?? 'us-east-1',
    bucket,
    prefix: folders.length === 0 ? '' : `${folders.join('/')}/`,
    credentials:
      url.username === ''
        ? undefined
        : { accessKeyId: decodeURIComponent(url.username), secretAccessKey: decodeURIComponent(url.password) },
    timeoutMs: TIMEOUT_MS,
  }
}

/** Our rule among those of the bucket's lifecycle. */
const LEFTOVERS = 'everpost-staging'

type Sdk = typeof import('@aws-sdk/client-s3')

export class S3BlobStore implements BlobStore {
  readonly #settings: S3Settings
  readonly #sdk: Sdk
  readonly #client: S3Client
  /** Whether the server refuses to overwrite: asked with the first write, and not again where it does not know the question. */
  #writesOnce = true
  #closed = false

  private constructor(settings: S3Settings, sdk: Sdk, client: S3Client) {
    this.#settings = settings
    this.#sdk = sdk
    this.#client = client
  }

  /** Rejects with a sentence when the bucket cannot be reached or is not ours. */
  static async open(address: string): Promise<S3BlobStore> {
    const settings = s3Settings(address)
    const sdk = await import('@aws-sdk/client-s3')
    const client = new sdk.S3Client({
      region: settings.region,
      maxAttempts: ATTEMPTS,
      forcePathStyle: settings.endpoint !== undefined,
      requestHandler: { requestTimeout: settings.timeoutMs, connectionTimeout: 5000, throwOnRequestTimeout: true },
      // Our own checks are stronger: the key is the content's SHA-256. Not every server knows the newer trailers.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
      ...(settings.credentials === undefined ? {} : { credentials: settings.credentials }),
    })
    const store = new S3BlobStore(settings, sdk, client)
    try {
      await client.send(new sdk.HeadBucketCommand({ Bucket: settings.bucket }))
      return store
    } catch (error) {
      client.destroy()
      const place = `bucket ${settings.bucket}${settings.endpoint === undefined ? '' : ` at ${settings.endpoint}`}`
      throw new BlobError('unavailable', `The ${place} cannot be used for blobs: ${said(error)}`, { cause: error })
    }
  }

  /** Stored once: a second write of the same content changes nothing. The server checks what arrived against its SHA-256. */
  async put(id: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length > PART) {
      const writer = await this.begin()
      await writer.write(bytes)
      await writer.finish()
      return
    }
    const checksum = createHash('sha256').update(bytes).digest()
    if (checksum.toString('hex') !== id)
      throw new BlobError('corrupt', `Blob ${id} was given bytes that have another hash`)
    const put = (once: boolean) =>
      this.#send(
        new this.#sdk.PutObjectCommand({
          ...this.#at(id),
          Body: bytes,
          ContentLength: bytes.length,
          ChecksumSHA256: checksum.toString('base64'),
          ...(once ? { IfNoneMatch: '*' } : {}),
        }),
      )
    try {
      await put(this.#writesOnce)
    } catch (error) {
      if (isStoredAlready(error)) return
      if (!this.#writesOnce || !isUnknownToServer(error)) throw unavailable(error)
      // An older server: a key is the hash of its content, so that writing it again writes the same.
      this.#writesOnce = false
      await put(false).catch((again) => Promise.reject(unavailable(again)))
    }
  }

  /**
   * Streamed in parts above 8 MiB. What it will be called is known at its end, so it lies aside until then and is copied to its name
   * inside the server.
   */
  async begin(): Promise<BlobWriter> {
    const digest = createHash('sha256')
    let held: Uint8Array[] = []
    let size = 0
    let staged:
      | { readonly key: string; readonly body: PassThrough; readonly done: Promise<unknown>; abort(): Promise<void> }
      | undefined
    const stage = async () => {
      const { Upload } = await import('@aws-sdk/lib-storage')
      const key = `${this.#settings.prefix}${STAGING}${randomUUID()}`
      const body = new PassThrough({ highWaterMark: PART })
      const params = { Bucket: this.#settings.bucket, Key: key, Body: body }
      const upload = new Upload({ client: this.#client, params, partSize: PART, queueSize: PARALLEL_PARTS })
      const done = upload.done()
      // Said by `write` or `finish`, whichever comes first.
      done.catch((error) => body.destroy(error as Error))
      staged = { key, body, done, abort: () => upload.abort() }
      for (const chunk of held) await this.#feed(body, chunk)
      held = []
    }
    return {
      write: async (chunk) => {
        digest.update(chunk)
        size += chunk.length
        if (staged !== undefined) return this.#feed(staged.body, Uint8Array.from(chunk))
        held.push(Uint8Array.from(chunk))
        if (size > PART) await stage()
      },
      finish: async () => {
        const id = digest.digest('hex')
        if (staged === undefined) {
          await this.put(id, Buffer.concat(held))
          return id
        }
        const { key, body, done } = staged
        try {
          body.end()
          await done
          if ((await this.size(id)) === undefined) {
            const CopySource = encodeURIComponent(`${this.#settings.bucket}/${key}`)
            await this.#send(new this.#sdk.CopyObjectCommand({ ...this.#at(id), CopySource }))
            if ((await this.size(id)) !== size)
              throw new BlobError('unavailable', `Blob ${id} was not stored whole: ${size} bytes were sent`)
          }
        } catch (error) {
          throw unavailable(error)
        } finally {
          await this.#forget(key)
        }
        return id
      },
      abort: async () => {
        held = []
        if (staged === undefined) return
        staged.body.destroy()
        await staged.abort().catch(() => undefined)
        await staged.done.catch(() => undefined)
        await this.#forget(staged.key)
      },
    }
  }

  async #feed(body: PassThrough, chunk: Uint8Array): Promise<void> {
    if (body.destroyed) throw unavailable(body.errored ?? new Error('the upload ended'))
    if (body.write(chunk)) return
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error | null) => {
        body.off('drain', drained)
        body.off('close', closed)
        if (error) reject(unavailable(error))
        else resolve()
      }
      const drained = () => settle()
      const closed = () => settle(body.errored ?? new Error('the upload ended'))
      body.once('drain', drained)
      body.once('close', closed)
    })
  }

  async #forget(key: string): Promise<void> {
    const { bucket } = this.#settings
    await this.#client.send(new this.#sdk.DeleteObjectCommand({ Bucket: bucket, Key: key })).catch(() => undefined)
  }

  /** A range that was cut on the way is asked for again; a whole blob with another hash is 'corrupt'. */
  async read(id: string, start: number, end: number): Promise<Uint8Array> {
    if (start < 0 || start > end) throw outside(id, start, end)
    if (start === end) {
      const size = await this.size(id)
      if (size === undefined) throw missing(id)
      if (end > size) throw outside(id, start, end)
      return new Uint8Array(0)
    }
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#range(id, start, end)
      } catch (error) {
        if (error instanceof BlobError && error.code !== 'unavailable') throw error
        const status = statusOf(error)
        if (status === 404) throw missing(id)
        if (status === 416 || (error instanceof BlobError && error.message.includes('outside')))
          throw outside(id, start, end)
        if (this.#closed || attempt >= ATTEMPTS) throw unavailable(error)
        await pause(50 * 2 ** attempt)
      }
    }
  }

  async #range(id: string, start: number, end: number): Promise<Uint8Array> {
    const Range = `bytes=${start}-${end - 1}`
    const answer = await this.#send(new this.#sdk.GetObjectCommand({ ...this.#at(id), Range }))
    const bytes = (await answer.Body?.transformToByteArray()) ?? new Uint8Array(0)
    const total = Number(/\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1] ?? answer.ContentLength ?? 0)
    if (end > total) throw outside(id, start, end)
    if (bytes.length !== end - start)
      throw new BlobError('unavailable', `${bytes.length} of ${end - start} bytes of blob ${id} came`)
    if (start === 0 && end === total && createHash('sha256').update(bytes).digest('hex') !== id)
      throw new BlobError('corrupt', `Blob ${id} does not have its own hash: restore it from a backup`)
    return bytes
  }

  async size(id: string): Promise<number | undefined> {
    try {
      return (await this.#send(new this.#sdk.HeadObjectCommand(this.#at(id)))).ContentLength
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw unavailable(error)
    }
  }

  /** Gone at once: the server frees its bytes. A bucket with retention keeps what a hold asks for, and says so here. */
  async delete(id: string): Promise<void> {
    try {
      await this.#send(new this.#sdk.DeleteObjectCommand(this.#at(id)))
    } catch (error) {
      if (statusOf(error) !== 404) throw unavailable(error)
    }
  }

  /** Every blob, with the time of its last write (epoch milliseconds), for the compaction of what nothing names. */
  async *entries(): AsyncGenerator<{ readonly id: string; readonly writtenAt: number }> {
    const { bucket, prefix } = this.#settings
    for (let token: string | undefined; ; ) {
      const ContinuationToken = token
      const page = await this.#send(
        new this.#sdk.ListObjectsV2Command({
          Bucket: bucket,
          Prefix: `${prefix}blob/`,
          ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
        }),
      ).catch((error) => Promise.reject(unavailable(error)))
      for (const { Key, LastModified } of page.Contents ?? [])
        yield { id: (Key ?? '').slice((Key ?? '').lastIndexOf('/') + 1), writtenAt: LastModified?.getTime() ?? 0 }
      if (!page.IsTruncated) return
      token = page.NextContinuationToken
    }
  }

  /** Uploads that a crash left half done are the server's to remove: asked for once, where it knows how. */
  async removeLeftoversAfter(days: number): Promise<boolean> {
    const { bucket, prefix } = this.#settings
    const rule = {
      ID: LEFTOVERS,
      Status: 'Enabled' as const,
      Filter: { Prefix: `${prefix}${STAGING}` },
      Expiration: { Days: days },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: days },
    }
    try {
      // All rules of a bucket are put at once: those of others must be among them.
      const asked = this.#client.send(new this.#sdk.GetBucketLifecycleConfigurationCommand({ Bucket: bucket }))
      const Rules = await asked.then(
        (answer) => answer.Rules ?? [],
        (error) => {
          if ((error as Error).name === 'NoSuchLifecycleConfiguration') return []
          throw error
        },
      )
      if (Rules.some(({ ID, Expiration }) => ID === LEFTOVERS && Expiration?.Days === days)) return true
      const LifecycleConfiguration = { Rules: [...Rules.filter(({ ID }) => ID !== LEFTOVERS), rule] }
      await this.#client.send(
        new this.#sdk.PutBucketLifecycleConfigurationCommand({ Bucket: bucket, LifecycleConfiguration }),
      )
      return true
    } catch {
      return false
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#client.destroy()
  }

  /** Two letters spread the keys over the server's partitions. */
  #at(id: string): { Bucket: string; Key: string } {
    return { Bucket: this.#settings.bucket, Key: `${this.#settings.prefix}blob/${id.slice(0, 2)}/${id}` }
  }

  get #send(): S3Client['send'] {
    if (this.#closed) throw new BlobError('closed', 'The blob store is closed')
    return this.#client.send.bind(this.#client) as S3Client['send']
  }
}

const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
const said = (error: unknown): string => {
  const { name, message } = error as Error
  const status = statusOf(error)
  return `${message || name}${status === undefined ? '' : ` (HTTP ${status})`}`
}
/** 412: it is there. 409: another writer of the same content is writing it now. */
const isStoredAlready = (error: unknown): boolean => statusOf(error) === 412 || statusOf(error) === 409
const isUnknownToServer = (error: unknown): boolean => statusOf(error) === 501 || statusOf(error) === 400

const missing = (id: string) => new BlobError('not-found', `Blob ${id} is not here`)
const outside = (id: string, start: number, end: number) =>
  new BlobError('unavailable', `Bytes ${start} to ${end} are outside blob ${id}`)
function unavailable(error: unknown): BlobError {
  if (error instanceof BlobError) return error
  return new BlobError('unavailable', `The blob store does not answer: ${said(error)}`, { cause: error })
}
