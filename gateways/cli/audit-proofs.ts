// everpost audit verify|prove|export|key: evidence that an auditor can check without trusting this server, and the check itself.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream, readFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { finished } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import { contextOf } from '../../commands/context.ts'
import { recordAudit } from '../../commands/record-audit.ts'
import { parseCheckpoint, parseKey, parseNote } from '../../domain/audit/checkpoint.ts'
import { isRedacted, type Position } from '../../domain/log.ts'
import type { BlobRef } from '../../domain/mailbox/mailbox.ts'
import {
  type BundleHeader,
  type EventLine,
  EXPORT_FORMAT,
  type ManifestLine,
  type MessageLine,
  manifestText,
  PROOF_FORMAT,
} from '../../projections/audit/bundle.ts'
import type { SealedEvent } from '../../projections/audit/sealed-log.ts'
import type { TreeReader } from '../../projections/audit/tree.ts'
import { BundleFault, type VerifyTools, verifyBundle } from '../../projections/audit/verify-bundle.ts'
import type { LogVerdict } from '../../projections/audit/verify-log.ts'
import type { SourceEvent } from '../../projections/ports/event-source.ts'
import type { DirectoryRow } from '../../projections/queries.ts'
import { accountNamed, parse, printJson, progressLine, size, words } from './arguments.ts'
import { type CliIo, CliRefusal, type CliServices, CliUsage } from './services.ts'
import { VERIFY } from './verify-words.ts'

/** Events that are read at one time. */
const PAGE = 200
/** Messages that `audit verify` reads back unless told otherwise. */
const SAMPLE = 200
const MAX_CHECKPOINT_FILE = 64 * 1024

/** `--as AUDITOR --reason TEXT`: who looks on whose behalf, on the record before anything is shown. */
export const ACCESS = { as: { type: 'string' }, reason: { type: 'string' } } as const

export async function recordAccess(
  services: CliServices,
  values: { readonly as?: string | undefined; readonly reason?: string | undefined },
  account: DirectoryRow,
  what: string,
): Promise<void> {
  const { as: auditor, reason } = values
  if (auditor === undefined && reason === undefined) return
  if (!auditor?.trim()) throw new CliUsage('--reason needs --as: who is looking?')
  if (!reason?.trim()) throw new CliUsage('--as needs --reason: why is it looked at?')
  const data = { auditor: auditor.trim(), accountId: account.id, what, reason: reason.trim() }
  await recordAudit(services.journal, contextOf('cli', 'cli', { at: services.now() }), {
    type: 'AuditorAccessed',
    data,
  })
}

export async function auditKey(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { json: { type: 'boolean' } })
  words(positionals, [])
  const publicKey = services.audit.publicKey()
  if (values.json) return printJson(io, { publicKey })
  io.out(`${publicKey}\n`)
}

// The whole log -------------------------------------------------------------------------------------------------------------------

export async function auditVerify(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, VERIFY)
  words(positionals, [])
  const checkpoints = (values.since ?? []).map((file) => ({ name: file, note: checkpointFile(io, file) }))
  const keys = (values.key ?? []).map(checkedKey)
  const started = performance.now()
  const verdict = await services.audit.verify(
    { checkpoints, keys, blobs: blobsOf(values.blobs) },
    ({ phase, done, total }) => {
      const rate = done / ((performance.now() - started) / 1000)
      const label = phase === 'blobs' ? 'Reading messages' : 'Verifying'
      io.progress(progressLine(label, done, total, `${Math.round(rate).toLocaleString('en')}/s`, (total - done) / rate))
    },
    io.signal,
  )
  io.progress(null)
  const head = verdict.ok && values.sign ? await services.audit.sign() : undefined
  const publicKey = services.audit.publicKey()
  if (values.json) {
    const signed = head && { size: head.size, checkpoint: head.checkpoint, new: head.signed }
    printJson(io, { ...verdict, publicKey, ...(signed ? { signed } : {}) })
  } else printVerdict(io, verdict, publicKey, head)
  const [first] = verdict.findings
  if (first) {
    const more = verdict.findingCount > 1 ? ` (and ${verdict.findingCount - 1} more findings)` : ''
    throw new CliRefusal(`The log is NOT what it was. ${first.message}.${more}`)
  }
}

function checkedKey(text: string): string {
  try {
    parseKey((bytes) => createHash('sha256').update(bytes).digest(), text)
    return text
  } catch (error) {
    throw new CliUsage(`--key: ${(error as Error).message}.`)
  }
}

function blobsOf(text: string | undefined): number | 'all' | 'none' {
  if (text === undefined) return SAMPLE
  if (text === 'all' || text === 'none') return text
  if (/^[0-9]{1,9}$/.test(text)) return Number(text)
  throw new CliUsage(`--blobs is all, none or a number of messages, not ${text}.`)
}

function printVerdict(
  io: CliIo,
  verdict: LogVerdict,
  publicKey: string,
  head: { readonly size: number; readonly checkpoint: string; readonly signed: boolean } | undefined,
): void {
  const { events, redacted, tree, heads, blobs, checkpoints, root, seconds } = verdict
  const rate = Math.round(events / seconds).toLocaleString('en')
  io.out(`${events} events walked in ${seconds.toFixed(1)} s (${rate}/s), tree root ${root}\n`)
  io.out(`${events - redacted} opened${redacted > 0 ? `, ${redacted} of erased accounts stay sealed` : ''}\n`)
  io.out(
    tree.size === 0
      ? 'No tree was kept yet to compare with.\n'
      : `${tree.compared} compared with the tree, which remembers ${tree.size}\n`,
  )
  const newest = heads.newestSize === undefined ? '' : `, the newest covers ${heads.newestSize} events`
  io.out(
    heads.checked === 0 ? 'No head is signed yet: see --sign\n' : `${heads.checked} signed heads checked${newest}\n`,
  )
  if (checkpoints > 0) io.out(`${checkpoints} earlier checkpoints checked\n`)
  io.out(`${blobs.checked} messages read back${blobs.missing > 0 ? `, ${blobs.missing} no longer kept` : ''}\n`)
  io.out(`Key of this server: ${publicKey}\n`)
  for (const { message } of verdict.findings) io.out(`WRONG: ${message}.\n`)
  if (verdict.ok) io.out('The log is whole and unchanged.\n')
  if (head)
    io.out(
      `\n${head.signed ? 'Signed' : 'Signed before, nothing came after it'}; keep this elsewhere:\n\n${head.checkpoint}`,
    )
}

function checkpointFile(io: CliIo, file: string): string {
  const text = textFile(io, file)
  try {
    parseCheckpoint(parseNote(text).text)
    return text
  } catch (error) {
    throw new CliRefusal(`${file} is not a checkpoint: ${(error as Error).message}.`)
  }
}

function textFile(io: CliIo, file: string): string {
  try {
    const bytes = readFileSync(resolve(io.cwd, file))
    if (bytes.length > MAX_CHECKPOINT_FILE) throw new Error('it is too long for one')
    return bytes.toString()
  } catch (error) {
    throw new CliRefusal(`${file} cannot be read as a checkpoint: ${(error as Error).message}`)
  }
}

// What is handed out --------------------------------------------------------------------------------------------------------------

export async function auditProve(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, {
    ...ACCESS,
    message: { type: 'string' },
    event: { type: 'string' },
    since: { type: 'string' },
    out: { type: 'string' },
    json: { type: 'boolean' },
  })
  const [address = ''] = words(positionals, ['ADDRESS'])
  const { message, event } = values
  if ((message === undefined) === (event === undefined)) throw new CliUsage('Say --message ID or --event ID.')
  const since = values.since === undefined ? undefined : checkpointFile(io, values.since)
  const account = await accountNamed(services, address)
  const about = message === undefined ? { event: event ?? '' } : { message }
  await recordAccess(
    services,
    values,
    account,
    message === undefined ? `proof of event ${event}` : `proof of message ${message}`,
  )
  const positions =
    message === undefined
      ? await positionOfEvent(services, account.id, event ?? '')
      : await services.timeline.messageHistory(account.id, message)
  if (positions.length === 0)
    throw new CliRefusal(
      `${account.address} never had ${message === undefined ? `an event ${event}` : `a message ${message}`}.`,
    )
  const head = await services.audit.headOver(positions)
  const lines = await services.audit.withTree(async (tree) => {
    const extended = since === undefined ? {} : { since: consistencyOf(tree, since, head.size) }
    const header = headerOf(services, account, head.checkpoint, { format: PROOF_FORMAT, about, ...extended })
    const bundle = new Bundle(header)
    const lines = [bundle.first]
    for (let at = 0; at < positions.length; at += PAGE) {
      for (const stored of await services.audit.log.readSealed(positions.slice(at, at + PAGE)))
        lines.push(bundle.event(eventLine(services, tree, head.size, account.id, stored).line))
    }
    return [...lines, bundle.last(services)].join('')
  })
  if (values.out === undefined) return io.out(lines)
  const path = resolve(io.cwd, values.out)
  const output = createWriteStream(path, { mode: 0o600 })
  try {
    await once(output, 'open')
    output.end(lines)
    await once(output, 'finish')
  } catch (error) {
    throw new CliRefusal(`${path} cannot be written: ${(error as Error).message}`)
  }
  const result = { file: path, events: positions.length, size: head.size, publicKey: services.audit.publicKey() }
  if (values.json) return printJson(io, result)
  io.out(`Proved ${positions.length} events up to the signed head of ${head.size} in ${path}.\n`)
  io.out(`Check it anywhere with: everpost audit verify ${values.out} --key '${result.publicKey}'\n`)
}

async function positionOfEvent(services: CliServices, account: string, id: string): Promise<readonly Position[]> {
  for await (const page of history(services, account)) {
    const found = (await services.audit.log.readSealed(page)).find((event) => event.id === id.toLowerCase())
    if (found) return [found.position]
    await setImmediate()
  }
  return []
}

/** The way from an earlier checkpoint of this log to the tree of `size`. */
function consistencyOf(tree: TreeReader, since: string, size: number): NonNullable<BundleHeader['since']> {
  const earlier = parseCheckpoint(parseNote(since).text)
  if (earlier.size > size)
    throw new CliRefusal(
      `The earlier checkpoint covers ${earlier.size} events, but this log has signed only ${size}: it is not the log that was signed then.`,
    )
  const root = tree.rootAt(earlier.size)
  if (!Buffer.from(root).equals(earlier.root))
    throw new CliRefusal(
      `The first ${earlier.size} events of this log are not those that the earlier checkpoint was signed over: history was rewritten, or it is of another log.`,
    )
  return { checkpoint: since, proof: tree.consistency(earlier.size, size).map(base64) }
}

export async function auditExport(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, {
    ...ACCESS,
    from: { type: 'string' },
    to: { type: 'string' },
    'with-key': { type: 'boolean' },
    json: { type: 'boolean' },
  })
  const [address = '', file = ''] = words(positionals, ['ADDRESS', 'FILE'])
  const from = timeOf(values.from)
  const to = timeOf(values.to)
  const account = await accountNamed(services, address)
  await services.keyring.load?.([account.id])
  const dataKey = values['with-key'] ? services.keyring.dataKey(account.id) : undefined
  await recordAccess(services, values, account, 'export')
  const head = await services.audit.sign()
  await services.settle()
  const path = resolve(io.cwd, file)
  const partial = `${path}.partial`
  const output = createWriteStream(partial, { mode: 0o600 })
  let broken: unknown
  output.on('error', (error) => {
    broken = error
  })
  const whole = createHash('sha256')
  const write = async (line: string) => {
    if (broken) throw broken
    whole.update(line)
    if (!output.write(line)) await once(output, 'drain')
  }
  const started = performance.now()
  const bundle = new Bundle(
    headerOf(services, account, head.checkpoint, {
      format: EXPORT_FORMAT,
      about: null,
      from: from === undefined ? null : new Date(from).toISOString(),
      to: to === undefined ? null : new Date(to).toISOString(),
      ...(dataKey ? { key: base64(dataKey) } : {}),
    }),
  )
  let seen = 0
  let total = 0
  for await (const page of history(services, account.id)) total += page.length
  try {
    await once(output, 'open')
    await write(bundle.first)
    await services.audit.withTree(async (tree) => {
      for await (const page of history(services, account.id)) {
        for (const stored of await services.audit.log.readSealed(page)) {
          io.signal.throwIfAborted()
          // What came after the head is in the next export.
          if ((tree.indexOf(stored.position) ?? head.size) >= head.size) continue
          const { line, opened } = eventLine(services, tree, head.size, account.id, stored)
          seen++
          if (!isWithin(opened, from, to)) continue
          await write(bundle.event(line))
          const arrival = opened && arrivalOf(opened)
          if (arrival) await write(bundle.message(await messageLine(services, arrival, dataKey !== undefined)))
        }
        const rate = seen / ((performance.now() - started) / 1000)
        io.progress(progressLine('Exporting', seen, total, `${Math.round(rate)} events/s`, (total - seen) / rate))
        await setImmediate()
      }
    })
    await write(bundle.last(services))
    output.end()
    await finished(output)
    await rename(partial, path)
  } catch (error) {
    output.destroy()
    await rm(partial, { force: true })
    const { code, message } = error as { code?: string; message: string }
    throw code?.startsWith('E') ? new CliRefusal(`${path} cannot be written: ${message}`) : error
  }
  io.progress(null)
  const { events, messages, missing, damaged } = bundle
  const data = { accountId: account.id, messages, sha256: whole.digest('hex') }
  await recordAudit(services.journal, contextOf('cli', 'cli', { at: services.now() }), { type: 'ExportMade', data })
  const publicKey = services.audit.publicKey()
  const result = { address: account.address, ...data, events, missing, damaged, size: head.size, file: path, publicKey }
  if (values.json) return printJson(io, result)
  io.out(`Exported ${events} events and ${messages} messages to ${path}.\n`)
  if (damaged > 0) io.out(`${damaged} events do not open: their bytes were changed. See: everpost audit verify\n`)
  if (missing > 0) io.out(`${missing} messages are without their raw bytes: the file says why.\n`)
  io.out(`Check it anywhere with: everpost audit verify ${file} --key '${publicKey}'\n`)
}

function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new CliUsage(`${text} is not a time such as 2026-03-01T09:00:00Z.`)
  return at
}

/** An event that cannot be read has no time: it is never left out. */
const isWithin = (
  event: SourceEvent | undefined,
  from = Number.NEGATIVE_INFINITY,
  to = Number.POSITIVE_INFINITY,
): boolean => event === undefined || isRedacted(event) || (event.metadata.at >= from && event.metadata.at < to)

async function* history(services: CliServices, account: string): AsyncGenerator<readonly Position[]> {
  for (let after: Position | undefined; ; ) {
    const page = await services.timeline.accountHistory(account, { first: PAGE, after })
    if (page.length > 0) yield page
    if (page.length < PAGE) return
    after = page.at(-1)
  }
}

function headerOf(
  services: CliServices,
  { id, address, name }: DirectoryRow,
  checkpoint: string,
  rest: Pick<BundleHeader, 'format' | 'about'> & Partial<BundleHeader>,
): BundleHeader {
  const { format, ...more } = rest
  return {
    format,
    account: { id, address, name },
    from: null,
    to: null,
    madeAt: new Date(services.now()).toISOString(),
    publicKey: services.audit.publicKey(),
    checkpoint,
    ...more,
  }
}

function eventLine(
  services: CliServices,
  tree: TreeReader,
  size: number,
  account: string,
  stored: SealedEvent,
): { readonly line: EventLine; readonly opened: SourceEvent | undefined } {
  const { position, stream, revision, id, type, metadata, sealed, leaf } = stored
  const index = tree.indexOf(position)
  if (index === undefined || index >= size)
    throw new Error(`The event at position ${position} is not in the signed tree.`)
  if (!Buffer.from(tree.leafAt(index)).equals(leaf))
    throw new CliRefusal(
      `Event ${id} (${type}, position ${position}) was changed since it went into the tree: nothing can be proven of it. See: everpost audit verify`,
    )
  const line = {
    kind: 'event',
    index,
    position: `${position}`,
    stream,
    revision: `${revision}`,
    id,
    type,
    metadata: base64(metadata),
    data: base64(sealed),
    proof: tree.inclusion(index, size).map(base64),
  } as const
  let opened: SourceEvent
  try {
    opened = services.audit.log.open(stored, true)
  } catch (error) {
    // What is sealed can still be proven; that it does not open is for the auditor to see.
    const damaged = (error as Error).message
    return { line: { ...line, payload: null, by: null, damaged }, opened: undefined }
  }
  if (isRedacted(opened)) return { line: { ...line, payload: null, by: null, redacted: true }, opened }
  return { line: { ...line, payload: payloadFor(account, opened.data), by: opened.metadata }, opened }
}

/** Of an event about several accounts, only what is this account's. */
function payloadFor(account: string, data: object): object {
  const { sections } = data as { sections?: Readonly<Record<string, unknown>> }
  if (sections === undefined) return data
  return { ...data, sections: account in sections ? { [account]: sections[account] } : {} }
}

interface ArrivalBlob {
  readonly messageId: string
  readonly eventId: string
  readonly blob: BlobRef
}

function arrivalOf(event: SourceEvent): ArrivalBlob | undefined {
  if (isRedacted(event) || (event.type !== 'MessageReceived' && event.type !== 'MessageAppended')) return undefined
  return { messageId: event.data.messageId, eventId: event.id, blob: event.data.content.blob }
}

async function messageLine(services: CliServices, arrival: ArrivalBlob, withStored: boolean): Promise<MessageLine> {
  const { messageId, eventId, blob } = arrival
  const line = { kind: 'message', messageId, eventId } as const
  try {
    const raw = await services.blobs.read(blob)
    const sha256 = createHash('sha256').update(raw).digest('hex')
    const stored = withStored ? { stored: base64(await services.storedBlob(blob.id)) } : {}
    return { ...line, size: raw.length, sha256, raw: base64(raw), ...stored }
  } catch (error) {
    // Not an error of the export: the auditor must see that it is not there, and why.
    return { ...line, missing: (error as Error).message }
  }
}

/** Counts and hashes the lines as they go out. */
class Bundle {
  readonly first: string
  readonly #origin: string
  readonly #hash = createHash('sha256')
  events = 0
  messages = 0
  missing = 0
  damaged = 0

  constructor(header: BundleHeader) {
    this.#origin = parseCheckpoint(parseNote(header.checkpoint).text).origin
    this.first = this.#line(header)
  }

  event(line: EventLine): string {
    this.events++
    if (line.damaged !== undefined) this.damaged++
    return this.#line(line)
  }

  message(line: MessageLine): string {
    if ('missing' in line) this.missing++
    else this.messages++
    return this.#line(line)
  }

  last({ audit }: CliServices): string {
    const { events, messages, missing } = this
    const counted = { events, messages, missing, sha256: this.#hash.digest('hex') }
    const manifest: ManifestLine = {
      kind: 'manifest',
      ...counted,
      note: audit.signNote(manifestText(this.#origin, counted)),
    }
    return `${JSON.stringify(manifest)}\n`
  }

  #line(value: object): string {
    const line = `${JSON.stringify(value)}\n`
    this.#hash.update(line)
    return line
  }
}

// A file, anywhere ----------------------------------------------------------------------------------------------------------------

export async function verifyFile(tools: VerifyTools, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, VERIFY)
  const [file = ''] = words(positionals, ['FILE'])
  if (values.since || values.blobs || values.sign)
    throw new CliUsage('--since, --blobs and --sign are for the log, not for a file.')
  if ((values.key?.length ?? 0) > 1) throw new CliUsage('A file is signed by one key: give one --key.')
  const path = resolve(io.cwd, file)
  const hash = createHash('sha256')
  const fileHash = { update: (bytes: Uint8Array) => void hash.update(bytes), hex: () => hash.copy().digest('hex') }
  const [pin] = (values.key ?? []).map(checkedKey)
  let verdict: Awaited<ReturnType<typeof verifyBundle>>
  try {
    verdict = await verifyBundle(linesOf(path, io), tools, fileHash, pin)
  } catch (error) {
    if (error instanceof BundleFault) throw new CliRefusal(`${file} does NOT hold. Failed at ${error.message}.`)
    if ((error as { code?: string }).code?.startsWith('E'))
      throw new CliRefusal(`${file} cannot be read: ${(error as Error).message}`)
    throw error
  }
  io.progress(null)
  if (values.json) return printJson(io, { ok: true, ...verdict })
  const { events, messages, missing, opened, traced, publicKey, pinned } = verdict
  io.out(
    `${events} events of ${verdict.account} are in the log ${verdict.origin} as signed over ${verdict.size} events.\n`,
  )
  if (verdict.extends !== null) io.out(`That log extends the one signed over ${verdict.extends} events.\n`)
  if (messages > 0) io.out(`${messages} raw messages have the hashes that are stated.\n`)
  if (missing > 0) io.out(`${missing} messages are without their raw bytes; the file says why.\n`)
  if (opened > 0)
    io.out(`${opened} payloads and ${traced} messages were opened from the sealed bytes and are what the file says.\n`)
  if (opened < events)
    io.out(`${events - opened} payloads are what the server says: it signed them, but they were not opened here.\n`)
  io.out(
    pinned
      ? 'Signed by the key that you gave.\n'
      : `Signed by the key in the file; compare it with the one you know:\n  ${publicKey}\n`,
  )
}

async function* linesOf(
  path: string,
  io: CliIo,
): AsyncGenerator<{ readonly text: string; readonly bytes: Uint8Array }> {
  const started = performance.now()
  let done = 0
  let held: Buffer[] = []
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    io.signal.throwIfAborted()
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const bytes = Buffer.concat([...held, chunk.subarray(from, end + 1)])
      held = []
      from = end + 1
      yield { text: bytes.toString(), bytes }
    }
    if (from < chunk.length) held.push(chunk.subarray(from))
    done += chunk.length
    io.progress(`Verifying ${size(done)}  ${size(done / ((performance.now() - started) / 1000))}/s`)
  }
  if (held.length > 0) yield { text: Buffer.concat(held).toString(), bytes: Buffer.concat(held) }
}

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
