// The INBOX as POP3 sees it: numbered when the client signs in, deleted when it says QUIT.
import { changeMailbox, MAX_MESSAGES_PER_COMMAND } from '../../commands/change-mailbox.ts'
import type { CommandContext } from '../../commands/context.ts'
import { type AccountId, isRedacted, mailboxStream } from '../../domain/log.ts'
import type { BlobRef } from '../../domain/mailbox/mailbox.ts'
import type { UidRow } from '../../projections/queries.ts'
import type { Pop3Services } from './services.ts'

const PAGE = 1000

/** What is kept of each message of a session: a mailbox of a million is a few dozen megabytes. */
interface Drop {
  readonly id: string
  readonly uid: number
  readonly size: number
  readonly position: bigint
}

export interface OpenedDrop {
  readonly size: number
  readonly bytes: AsyncIterable<Uint8Array> | readonly Uint8Array[]
}

/** Messages up to this are read whole, and before they are asked for. */
const SMALL = 64 * 1024
const AHEAD = 3
const LOOKED_UP = 16

export class Maildrop {
  readonly account: AccountId
  readonly #services: Pop3Services
  readonly #drops: readonly Drop[]
  readonly #validity: number
  readonly #deleted = new Set<number>()
  /** Messages that are being read, or were, before anybody asked. */
  readonly #ahead = new Map<number, Promise<OpenedDrop | undefined>>()
  readonly #blobs = new Map<number, BlobRef>()
  /** The one taken last. */
  #last = 0
  #count: number
  #bytes: number

  private constructor(services: Pop3Services, account: AccountId, validity: number, drops: readonly Drop[]) {
    this.#services = services
    this.account = account
    this.#validity = validity
    this.#drops = drops
    this.#count = drops.length
    this.#bytes = drops.reduce((sum, { size }) => sum + size, 0)
  }

  static async open(services: Pop3Services, account: AccountId): Promise<Maildrop> {
    const { mailbox } = services
    const inbox = (await mailbox.folders(account)).find(({ role }) => role === 'inbox')
    const drops: Drop[] = []
    for (let from = 0; inbox; ) {
      const rows: readonly UidRow[] = await mailbox.uidRange(account, inbox.id, { from, limit: PAGE })
      for (const { id, uid, size, position } of rows) drops.push({ id, uid, size, position })
      if (rows.length < PAGE) break
      from = (rows.at(-1) as UidRow).uid + 1
    }
    return new Maildrop(services, account, inbox?.uidValidity ?? 0, drops)
  }

  /** Messages not marked, and their bytes. */
  get stat(): { readonly count: number; readonly bytes: number } {
    return { count: this.#count, bytes: this.#bytes }
  }

  /** Numbers from 1 on of what is not marked. */
  *numbers(): Generator<number> {
    for (let number = 1; number <= this.#drops.length; number++) if (!this.#deleted.has(number)) yield number
  }

  has(number: number): boolean {
    return number >= 1 && number <= this.#drops.length && !this.#deleted.has(number)
  }

  /** Whether the message was there and is marked. */
  isDeleted(number: number): boolean {
    return this.#deleted.has(number)
  }

  size(number: number): number {
    return this.#drop(number).size
  }

  /** The same for good, in every session and after every rebuild: both numbers come from the log. */
  uniqueId(number: number): string {
    return `${this.#validity}.${this.#drop(number).uid}`
  }

  delete(number: number): void {
    if (!this.has(number)) return
    this.#deleted.add(number)
    this.#count--
    this.#bytes -= this.size(number)
  }

  reset(): void {
    for (const number of this.#deleted) {
      this.#count++
      this.#bytes += this.#drop(number).size
    }
    this.#deleted.clear()
  }

  /**
   * The bytes of a message, small ones in one piece; undefined when it was erased meanwhile. Programs take one message after the
   * other: while one is on its way the next ones are read.
   */
  async open(number: number): Promise<OpenedDrop | undefined> {
    const opened = this.#ahead.get(number) ?? this.#read(number, number === this.#last + 1)
    this.#ahead.delete(number)
    if (number === this.#last + 1) {
      for (let next = number + 1; next <= Math.min(number + AHEAD, this.#drops.length); next++) {
        if (this.#ahead.has(next) || this.#deleted.has(next) || this.size(next) > SMALL) continue
        const reading = this.#read(next, true)
        reading.catch(() => undefined)
        this.#ahead.set(next, reading)
      }
    } else this.#ahead.clear()
    this.#last = number
    return opened
  }

  async #read(number: number, more: boolean): Promise<OpenedDrop | undefined> {
    const blob = await this.#blob(number, more)
    if (!blob) return undefined
    const { blobs } = this.#services
    return { size: blob.size, bytes: blob.size <= SMALL ? [await blobs.read(blob)] : blobs.stream(blob) }
  }

  /** Where the bytes are. With `more` those of the messages behind it are looked up in the same question. */
  async #blob(number: number, more: boolean): Promise<BlobRef | undefined> {
    const known = this.#blobs.get(number)
    if (known !== undefined) {
      this.#blobs.delete(number)
      return known
    }
    const numbers = new Map<bigint, number>()
    const end = more ? Math.min(number + LOOKED_UP, this.#drops.length + 1) : number + 1
    for (let each = number; each < end; each++) numbers.set(this.#drop(each).position, each)
    this.#blobs.clear()
    for (const event of await this.#services.source.readPositions([...numbers.keys()])) {
      if (isRedacted(event) || event.stream !== mailboxStream(this.account)) continue
      if (event.type === 'MessageReceived' || event.type === 'MessageAppended')
        this.#blobs.set(numbers.get(event.position) ?? 0, event.data.content.blob)
    }
    return this.#blobs.get(number)
  }

  /** Expunges what is marked: the only thing that POP3 ever writes. Answers a sentence when it could not. */
  async update(context: CommandContext): Promise<string | undefined> {
    const ids = [...this.#deleted].map((number) => this.#drop(number).id)
    for (let i = 0; i < ids.length; i += MAX_MESSAGES_PER_COMMAND) {
      const messageIds = ids.slice(i, i + MAX_MESSAGES_PER_COMMAND)
      const command = { type: 'ExpungeMessages' as const, messageIds }
      const outcome = await changeMailbox(
        this.#services,
        { ...context, commandId: `${context.commandId}/${i}` },
        this.account,
        command,
      )
      if (!outcome.ok) return outcome.refusal.message
    }
    return undefined
  }

  #drop(number: number): Drop {
    return this.#drops[number - 1] as Drop
  }
}
