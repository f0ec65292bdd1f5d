// The thread of one audit job, started when there is one and gone when it is done: walking a log takes a core for a while, and a mail
// server has none to spare on its main thread.
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import type { BlobStore } from '../../commands/ports/blob-store.ts'
import { parseKey } from '../../domain/audit/checkpoint.ts'
import { accountOfStream } from '../../domain/log.ts'
import { treeProjector } from '../../projections/audit/tree.ts'
import { type Arrival, type Finding, LogVerification } from '../../projections/audit/verify-log.ts'
import { project, run } from '../../projections/runtime.ts'
import { SealedMessageBlobs } from '../adapters/blobs/message-blobs.ts'
import { openBlobsToRead } from '../adapters/blobs/open-blobs.ts'
import { openEventSource } from '../adapters/journal/open-source.ts'
import { Catalog } from '../adapters/views/catalog.ts'
import { isDamage, UnusableView } from '../adapters/views/sqlite-file.ts'
import type {
  AuditJob,
  AuditProgress,
  AuditThreadConfig,
  Followed,
  FromAuditThread,
  MissingBlob,
  RebuiltTree,
  WalkedLog,
} from './messages.ts'
import { sha256, verifyEd25519 } from './signing-key.ts'
import { openTree, SqliteTree } from './sqlite-tree.ts'
import { StreamEnds } from './stream-ends.ts'

const BATCH = 1000
const NAME = treeProjector.name
/** Messages that are read at one time. */
const BLOBS_AT_ONCE = 16

const config = workerData as AuditThreadConfig
const port = parentPort
if (port === null) throw new Error('This file is the entry of a worker thread.')
const say = (message: FromAuditThread): void => port.postMessage(message)
const catalog = new Catalog(join(config.data, 'views'), 'tree.json')
const source = await openEventSource(config.source)
/** The runtime's view of the log: events that stay sealed. */
const sealed = { subscribe: (options: Parameters<typeof source.subscribeSealed>[0]) => source.subscribeSealed(options) }
const began = performance.now()
let told = 0

function progress(phase: AuditProgress['phase'], done: number, total: number): void {
  const now = performance.now()
  if (now - told < 200) return
  told = now
  say({ kind: 'progress', progress: { phase, done, total: Math.max(done, total) } })
}

/** Applies the log up to `until`. */
async function feed(tree: SqliteTree, until: bigint, phase: AuditProgress['phase']): Promise<number> {
  const projection = project(treeProjector, tree)
  if (until === 0n) return 0
  let done = Number(projection.position() ?? 0n)
  await run(sealed, [projection], new AbortController().signal, {
    batchSize: BATCH,
    once: true,
    until,
    onBatch({ events }) {
      done += events
      progress(phase, done, Number(until))
    },
  })
  if (projection.parked().count > 0) throw new Error('the tree could not take in an event')
  return projection.applied()
}

function openServing(): { tree: SqliteTree; generation: number } | undefined {
  const generation = catalog.generation(NAME)
  if (generation === undefined) return undefined
  try {
    return { tree: new SqliteTree(catalog.path(NAME, generation), 'live'), generation }
  } catch (error) {
    // Derived like every view: one that cannot serve is made again from the log.
    if (error instanceof UnusableView || isDamage(error)) return undefined
    throw error
  }
}

async function fill(until: bigint): Promise<{ generation: number; events: number }> {
  const generation = catalog.next(NAME)
  const tree = new SqliteTree(catalog.path(NAME, generation), 'fill')
  const events = await feed(tree, until, 'filling')
  tree.file.finish()
  return { generation, events }
}

async function follow(): Promise<Followed> {
  catalog.clear(NAME)
  const head = (await source.head()) ?? 0n
  let serving = openServing()
  if (serving === undefined) {
    const { generation } = await fill(head)
    catalog.flip(NAME, generation)
    serving = { tree: new SqliteTree(catalog.path(NAME, generation), 'live'), generation }
  }
  const { tree, generation } = serving
  await feed(tree, head, 'following')
  tree.close()
  const opened = openTree(catalog.path(NAME, generation))
  const { size } = opened.tree
  opened.close()
  return { generation, size }
}

async function rebuild(): Promise<RebuiltTree> {
  catalog.clear(NAME)
  const head = (await source.head()) ?? 0n
  const serving = openServing()
  if (serving) await feed(serving.tree, head, 'following')
  const { generation, events } = await fill(head)
  progress('comparing', events, events)
  const next = new SqliteTree(catalog.path(NAME, generation), 'live')
  const digest = next.digest()
  next.close()
  const previousDigest = serving?.tree.digest()
  serving?.tree.close()
  catalog.flip(NAME, generation)
  return { generation, events, seconds: (performance.now() - began) / 1000, digest, previousDigest }
}

async function verify(job: Extract<AuditJob, { kind: 'verify' }>): Promise<WalkedLog> {
  const generation = catalog.generation(NAME)
  const remembered = generation === undefined ? undefined : tryOpenTree(catalog.path(NAME, generation))
  const blobs = new BlobChecks(job.blobs)
  const ends = new StreamEnds()
  const deps = {
    sha256,
    verifySignature: verifyEd25519,
    keys: job.keys.map((key) => parseKey(sha256, key)),
    tree: remembered?.tree,
    ends,
    checkpoints: job.checkpoints,
    onArrival: (arrival: Arrival) => blobs.offer(arrival),
  }
  const verification = await LogVerification.begin(deps, source)
  const head = (await source.head()) ?? 0n
  for await (const batch of source.subscribeSealed({ batchSize: BATCH })) {
    for (const event of batch.events) if (event.position <= head) verification.add(event)
    if (job.blobs === 'all') await blobs.check(verification)
    progress('verifying', verification.events, Number(head))
    if (batch.caughtUp || (batch.position ?? 0n) >= head) break
  }
  await blobs.check(verification)
  await blobs.close()
  const verdict = verification.finish()
  remembered?.close()
  ends.close()
  const { checked, missing } = blobs
  return {
    verdict: {
      ...verdict,
      blobs: { checked, missing: missing.length },
      seconds: (performance.now() - began) / 1000,
    },
    missing,
  }
}

/** A tree that cannot be read vouches for nothing, and is made anew by the next job. */
function tryOpenTree(path: string): ReturnType<typeof openTree> | undefined {
  try {
    return openTree(path)
  } catch {
    return undefined
  }
}

/** Reads messages back: their stored bytes must have the hash that names them, and open with the key in their event. */
class BlobChecks {
  checked = 0
  readonly missing: MissingBlob[] = []
  readonly #limit: number
  #opened: Promise<{ readonly store: BlobStore; readonly messages: SealedMessageBlobs }> | undefined
  #waiting: Arrival[] = []
  #offered = 0

  constructor(limit: number | 'all' | 'none') {
    this.#limit = limit === 'all' ? Number.POSITIVE_INFINITY : limit === 'none' ? 0 : limit
  }

  /** Takes every arrival, or keeps a sample in which each is as likely as any other. */
  offer(arrival: Arrival): void {
    this.#offered++
    if (this.#waiting.length < this.#limit) this.#waiting.push(arrival)
    else {
      const place = Math.floor(Math.random() * this.#offered)
      if (place < this.#limit) this.#waiting[place] = arrival
    }
  }

  async check(verification: LogVerification): Promise<void> {
    const arrivals = this.#waiting.sort((a, b) => Number(a.position - b.position))
    this.#waiting = []
    for (let at = 0; at < arrivals.length; at += BLOBS_AT_ONCE) {
      await Promise.all(arrivals.slice(at, at + BLOBS_AT_ONCE).map((arrival) => this.#check(arrival, verification)))
      progress('blobs', at, arrivals.length)
    }
  }

  async close(): Promise<void> {
    await (await this.#opened)?.store.close()
  }

  #open() {
    this.#opened ??= openBlobsToRead(config.blobs).then((opened) => {
      const store = opened as BlobStore
      return { store, messages: new SealedMessageBlobs(store) }
    })
    return this.#opened
  }

  async #check({ position, stream, messageId, blob }: Arrival, verification: LogVerification): Promise<void> {
    const what = `The raw bytes of message ${messageId} (position ${position} of ${stream})`
    const finding = (message: string): Finding => ({ step: 'blob', message, position, stream })
    const { store, messages } = await this.#open()
    const size = await store.size(blob.id)
    if (size === undefined) {
      const account = accountOfStream(stream) ?? ''
      this.missing.push({ account, messageId, finding: finding(`${what} are gone, but the message was not deleted`) })
      return
    }
    this.checked++
    try {
      await store.read(blob.id, 0, size)
      const raw = await messages.read(blob)
      if (raw.length !== blob.size) throw new Error(`${raw.length} bytes instead of ${blob.size}`)
    } catch (error) {
      verification.fail(finding(`${what} are not those that its event names: ${(error as Error).message}`))
    }
  }
}

async function work({ job }: AuditThreadConfig): Promise<Followed | RebuiltTree | WalkedLog> {
  switch (job.kind) {
    case 'follow':
      return follow()
    case 'rebuild':
      return rebuild()
    case 'verify':
      return verify(job)
    default: {
      const _: never = job
      throw new Error(String(_))
    }
  }
}

try {
  say({ kind: 'done', result: await work(config) })
} catch (error) {
  say({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
}
await source.close()
port.close()
