// One message as FETCH and SEARCH look into it: its tree out of the log, its bytes out of the blob store, each read once.
import { STRUCTURE_CUT } from '../../commands/message-content.ts'
import { isRedacted } from '../../domain/log.ts'
import { asBuffer } from '../../domain/mail/charset.ts'
import { readMail } from '../../domain/mail/read.ts'
import type { MimePart } from '../../domain/mail/structure.ts'
import type { MessageContent } from '../../domain/mailbox/mailbox.ts'
import type { UidRow } from '../../projections/queries.ts'
import type { ImapServices } from './services.ts'

/** Up to here a message is read whole at the first look; larger ones in ranges. */
const WHOLE = 256 * 1024

export class OpenMessage {
  readonly row: UidRow
  readonly content: MessageContent
  /** The tree; of a strange message the event holds only its beginning. */
  readonly root: MimePart
  readonly #services: ImapServices
  #raw: Promise<Buffer> | undefined

  private constructor(services: ImapServices, row: UidRow, content: MessageContent, root: MimePart) {
    this.#services = services
    this.row = row
    this.content = content
    this.root = root
  }

  /** Opens messages of one account; those erased meanwhile are left out. */
  static async openAll(
    services: ImapServices,
    stream: string,
    rows: readonly UidRow[],
    options: { readonly text?: boolean } = {},
  ): Promise<ReadonlyMap<number, OpenMessage>> {
    const contents = await contentsAt(services, stream, new Set(rows.map(({ position }) => position)), options)
    const opened = new Map<number, OpenMessage>()
    for (const row of rows) {
      const content = contents.get(row.position)
      if (!content) continue
      let { root } = content
      if (content.defects?.includes(STRUCTURE_CUT)) root = readMail(await services.blobs.read(content.blob)).root
      opened.set(row.uid, new OpenMessage(services, row, content, root))
    }
    return opened
  }

  get size(): number {
    return this.content.blob.size
  }

  /** Bytes `start` to `end` of the raw message. */
  async bytes(start: number, end: number): Promise<Buffer> {
    const to = Math.min(end, this.size)
    if (start >= to) return Buffer.alloc(0)
    if (this.size <= WHOLE) return (await this.whole()).subarray(start, to)
    return asBuffer(await this.#services.blobs.read(this.content.blob, start, to))
  }

  whole(): Promise<Buffer> {
    this.#raw ??= this.#services.blobs.read(this.content.blob).then(asBuffer)
    return this.#raw
  }

  /** The same for what may be large, in pieces. */
  stream(start: number, end: number): AsyncIterable<Uint8Array> {
    return this.#services.blobs.stream(this.content.blob, start, end)
  }
}

/** The content of arrivals by position: as kept, else from the log. */
async function contentsAt(
  { source, contents: kept }: ImapServices,
  stream: string,
  positions: ReadonlySet<bigint>,
  options: { readonly text?: boolean },
): Promise<ReadonlyMap<bigint, MessageContent>> {
  const found = new Map<bigint, MessageContent>()
  const wanted: bigint[] = []
  for (const position of positions) {
    // Kept without their text.
    const content = options.text ? undefined : kept.get(stream, position)
    if (content === undefined) wanted.push(position)
    else found.set(position, content)
  }
  if (wanted.length === 0) return found
  for (const event of await source.readPositions(wanted, options)) {
    if (isRedacted(event) || event.stream !== stream) continue
    if (event.type !== 'MessageReceived' && event.type !== 'MessageAppended') continue
    found.set(event.position, event.data.content)
    if (!options.text) kept.set(stream, event.position, event.data.content)
  }
  return found
}
