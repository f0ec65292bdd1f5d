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

export class Maildrop {
  readonly account: AccountId
  readonly #services: Pop3Services
  readonly #drops: readonly Drop[]
  readonly #validity: number
  readonly #deleted = new Set<number>()
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

  /** Where the bytes are; undefined when the message was erased meanwhile. */
  async blob(number: number): Promise<BlobRef | undefined> {
    const { position } = this.#drop(number)
    const [event] = await this.#services.source.readPositions([position])
    if (!event || isRedacted(event) || event.stream !== mailboxStream(this.account)) return undefined
    return event.type === 'MessageReceived' || event.type === 'MessageAppended' ? event.data.content.blob : undefined
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
