// The audit of a running system: follows the tree when somebody asks, signs its heads into the log, has the whole log verified. All
// that takes time happens in a thread that lives as long as its job.
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type CommandContext, contextOf } from '../../commands/context.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import { recordAudit } from '../../commands/record-audit.ts'
import { formatCheckpoint, parseCheckpoint, parseNote } from '../../domain/audit/checkpoint.ts'
import { equal } from '../../domain/audit/merkle.ts'
import { auditStream, isRedacted, type Position } from '../../domain/log.ts'
import type { AuditProofs, SignedHead, VerifyOptions } from '../../projections/audit/proofs.ts'
import type { SealedLog } from '../../projections/audit/sealed-log.ts'
import { type TreeReader, treeProjector } from '../../projections/audit/tree.ts'
import type { LogVerdict } from '../../projections/audit/verify-log.ts'
import type { EventSource } from '../../projections/ports/event-source.ts'
import type { MailboxQueries } from '../../projections/queries.ts'
import { Catalog } from '../adapters/views/catalog.ts'
import type { ProjectionStatus, RebuildProgress, RebuiltProjection } from '../projector/projectors.ts'
import type {
  AuditJob,
  AuditPlaces,
  AuditProgress,
  AuditThreadConfig,
  Followed,
  FromAuditThread,
  RebuiltTree,
  WalkedLog,
} from './messages.ts'
import { type Signer, signerFromFile } from './signing-key.ts'
import { openTree } from './sqlite-tree.ts'

export interface AuditConfig extends AuditPlaces {
  /** File of the signing key. */
  readonly key: string
  /** Names the log in its checkpoints; taken when the key is made. */
  readonly origin: string
}

export interface AuditDependencies {
  readonly journal: Journal & SealedLog & Pick<EventSource, 'head'>
  readonly mailbox: MailboxQueries
  /** Who signs, and when, for a head that nobody asked for in person. */
  readonly context?: () => CommandContext
}

const NAME = treeProjector.name
const HEAP = { maxYoungGenerationSizeMb: 24, maxOldGenerationSizeMb: 512 }

export class Audit implements AuditProofs {
  readonly log: SealedLog
  readonly #config: AuditConfig
  readonly #deps: AuditDependencies
  #signer: Signer | undefined
  /** One job at a time: the next waits for this. */
  #last: Promise<unknown> = Promise.resolve()
  #worker: Worker | undefined
  #working: AuditJob['kind'] | undefined
  #closed = false

  constructor(config: AuditConfig, deps: AuditDependencies) {
    this.#config = config
    this.#deps = deps
    this.log = deps.journal
  }

  publicKey(): string {
    return this.#key().publicKey
  }

  signNote(text: string): string {
    return this.#key().sign(text)
  }

  async sign(): Promise<SignedHead & { readonly signed: boolean }> {
    await this.#run({ kind: 'follow' })
    const newest = await this.newestHead()
    await this.#refuseOtherLog(newest)
    const { size, root, covered } = await this.withTree((tree) => ({
      size: tree.size,
      root: tree.rootAt(tree.size),
      // Only the newest head itself came after what it covers.
      covered: newest !== undefined && newest.size + 1 === tree.size && tree.indexOf(newest.position) === newest.size,
    }))
    if (newest && (covered || newest.size === size)) return { ...newest, signed: false }
    const { key } = this.#key()
    const checkpoint = this.signNote(formatCheckpoint({ origin: key.name, size, root, extensions: [] }))
    const data = { size: `${size}`, rootHash: Buffer.from(root).toString('base64'), checkpoint }
    const context = this.#deps.context?.() ?? contextOf('audit', 'system')
    await recordAudit(this.#deps.journal, context, { type: 'TreeHeadSigned', data })
    const head = await this.newestHead()
    if (head === undefined) throw new Error('The head that was just signed is not in the log.')
    return { size, checkpoint, position: head.position, signed: true }
  }

  async headOver(positions: readonly Position[]): Promise<SignedHead> {
    const newest = await this.newestHead()
    await this.#refuseOtherLog(newest)
    const covers = (tree: TreeReader, size: number) =>
      positions.every((position) => (tree.indexOf(position) ?? size) < size) && tree.size >= size
    if (newest && (await this.withTree((tree) => covers(tree, newest.size)))) return newest
    return this.sign()
  }

  async newestHead(): Promise<(SignedHead & { readonly at: number }) | undefined> {
    for await (const event of this.#deps.journal.readStream(auditStream, { direction: 'backwards' })) {
      if (isRedacted(event) || event.type !== 'TreeHeadSigned') continue
      const { size, checkpoint } = event.data
      return { size: Number(size), checkpoint, position: event.position, at: event.metadata.at }
    }
    return undefined
  }

  head(): Promise<Position | undefined> {
    return this.#deps.journal.head()
  }

  async withTree<T>(use: (tree: TreeReader) => T | Promise<T>): Promise<T> {
    if (this.#catalog().generation(NAME) === undefined) await this.follow()
    const catalog = this.#catalog()
    const opened = openTree(catalog.path(NAME, catalog.generation(NAME) ?? 0))
    try {
      return await use(opened.tree)
    } finally {
      opened.close()
    }
  }

  async verify(
    options: VerifyOptions,
    onProgress: (progress: AuditProgress) => void,
    signal: AbortSignal,
  ): Promise<LogVerdict> {
    const keys = [this.publicKey(), ...(options.keys ?? [])]
    const { blobs, checkpoints = [] } = options
    const walked = await this.#run<WalkedLog>({ kind: 'verify', keys, checkpoints, blobs }, onProgress, signal)
    const { verdict, missing } = walked
    // Deleted for good and long ago: its bytes were given back. Of any other message they must be there.
    const lost = []
    for (const { account, messageId, finding } of missing) {
      const row = await this.#deps.mailbox.message(account, messageId)
      if (row !== undefined && !row.expunged) lost.push(finding)
    }
    return {
      ...verdict,
      ok: verdict.ok && lost.length === 0,
      findings: [...verdict.findings, ...lost].slice(0, 20),
      findingCount: verdict.findingCount + lost.length,
    }
  }

  /** As far as the tree has followed: it is brought up to date when a head is signed, not with every event. */
  async status(): Promise<ProjectionStatus> {
    const generation = this.#catalog().generation(NAME)
    const head = await this.head()
    const checkpoint =
      generation === undefined ? undefined : await this.withTree((tree) => tree.position).catch(() => undefined)
    const behind = (head ?? 0n) - (checkpoint ?? 0n)
    return {
      name: NAME,
      version: treeProjector.version,
      generation: generation ?? 0,
      state: this.#working === 'rebuild' ? 'rebuilding' : 'live',
      checkpoint,
      head,
      lag: { positions: behind > 0n ? behind : 0n, seconds: 0 },
      applied: 0,
      parked: [],
      parkedCount: 0,
    }
  }

  async rebuild(onProgress: (progress: RebuildProgress) => void): Promise<RebuiltProjection> {
    const started = performance.now()
    const tell = (phase: RebuildProgress['phase'], done: number, total: number) => {
      const rate = done / ((performance.now() - started) / 1000)
      onProgress({ name: NAME, phase, events: done, total, rate, etaSeconds: rate > 0 ? (total - done) / rate : 0 })
    }
    const rebuilt = await this.#run<RebuiltTree>({ kind: 'rebuild' }, ({ phase, done, total }) =>
      tell(phase === 'comparing' ? 'comparing' : 'filling', done, total),
    )
    tell('done', rebuilt.events, rebuilt.events)
    const { digest, previousDigest } = rebuilt
    const same = previousDigest === undefined ? undefined : digest === previousDigest
    return { name: NAME, ...rebuilt, same, parked: 0 }
  }

  /** Brings the tree to the end of the log. */
  async follow(): Promise<Followed> {
    return this.#run<Followed>({ kind: 'follow' })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#worker?.terminate()
    await this.#last.catch(() => undefined)
  }

  /**
   * The tree is evidence: it is not cut to fit a log that lost its end, and nothing is signed or proven over a log that contradicts
   * what was signed before.
   */
  async #refuseOtherLog(newest: SignedHead | undefined): Promise<void> {
    const head = (await this.head()) ?? 0n
    await this.withTree((tree) => {
      if (tree.position !== undefined && tree.position > head)
        throw new Error(
          `The log ends at position ${head}, but its tree remembers events up to ${tree.position}. See: everpost audit verify. If an older copy of the log was restored on purpose: everpost projections rebuild tree`,
        )
      if (newest === undefined || newest.size > tree.size) return
      const { root } = parseCheckpoint(parseNote(newest.checkpoint).text)
      if (!equal(root, tree.rootAt(newest.size)))
        throw new Error(
          `The log is not the one over which its newest head was signed (${newest.size} events): nothing is signed on top of it. See: everpost audit verify`,
        )
    })
  }

  #key(): Signer {
    this.#signer ??= signerFromFile(this.#config.key, this.#config.origin)
    return this.#signer
  }

  #catalog(): Catalog {
    return new Catalog(join(this.#config.data, 'views'), 'tree.json')
  }

  #run<Result>(
    job: AuditJob,
    onProgress: (progress: AuditProgress) => void = () => {},
    signal?: AbortSignal,
  ): Promise<Result> {
    const run = this.#last.then(() => this.#work<Result>(job, onProgress, signal))
    this.#last = run.catch(() => undefined)
    return run
  }

  async #work<Result>(
    job: AuditJob,
    onProgress: (progress: AuditProgress) => void,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    signal?.throwIfAborted()
    if (this.#closed) throw new Error('The audit is closed.')
    const { data, source, blobs } = this.#config
    const workerData: AuditThreadConfig = { data, source, blobs, job }
    const worker = new Worker(new URL('./audit-thread.ts', import.meta.url), { workerData, resourceLimits: HEAP })
    this.#worker = worker
    this.#working = job.kind
    const stop = () => void worker.terminate()
    signal?.addEventListener('abort', stop, { once: true })
    try {
      return await new Promise<Result>((resolve, reject) => {
        worker.on('message', (message: FromAuditThread) => {
          if (message.kind === 'progress') onProgress(message.progress)
          else if (message.kind === 'done') resolve(message.result as Result)
          else reject(new Error(message.message))
        })
        worker.on('error', reject)
        worker.on('exit', () => reject(new Error('The audit was stopped before it had finished.')))
      })
    } finally {
      signal?.removeEventListener('abort', stop)
      await worker.terminate()
      this.#worker = undefined
      this.#working = undefined
    }
  }
}
