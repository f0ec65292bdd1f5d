// A sealed log on disk for tests of projectors, without the storage thread.
import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { EverpostEvent } from '../../domain/events.ts'
import { accountStream, mailboxStream, type Position, type Revision } from '../../domain/log.ts'
import { SqliteLogWriter } from '../../infra/adapters/event-store/sqlite-writer.ts'
import type { LocalSourceConfig } from '../../infra/adapters/journal/open-source.ts'
import { sealEvent } from '../../infra/adapters/journal/seal.ts'
import { FileKeyring } from '../../infra/adapters/keyring/file.ts'
import { content } from '../projections/log.ts'

/** A log on disk, written as the storage thread writes it. */
export class TestLog {
  readonly source: LocalSourceConfig
  readonly #keyring: FileKeyring
  readonly #writer: SqliteLogWriter
  #at = 1_700_000_000_000

  constructor(folder: string, masterKey: Uint8Array = randomBytes(32)) {
    this.source = { log: join(folder, 'log.sqlite'), keyring: join(folder, 'keys.sqlite'), masterKey }
    this.#keyring = new FileKeyring(this.source.keyring, masterKey, { writable: true })
    this.#writer = new SqliteLogWriter(this.source.log)
  }

  async account(): Promise<string> {
    const account = randomBytes(13).toString('hex')
    await this.#keyring.create(account)
    this.append(accountStream(account), account, {
      type: 'AccountOpened',
      data: { accountId: account, address: `${account}@example.test`, name: 'Somebody', role: 'user' },
    })
    this.append(mailboxStream(account), account, {
      type: 'FolderCreated',
      data: { folderId: 'inbox', name: 'Inbox', parentId: null, role: 'inbox' },
    })
    return account
  }

  append(stream: string, owner: string, ...events: EverpostEvent[]): { revision: Revision; position: Position } {
    const sealed = events.map((event) => {
      this.#at += 1000
      const metadata = { at: this.#at, actor: owner, via: 'system' as const, correlationId: 'c', causationId: 'c' }
      return sealEvent(stream, { ...event, id: randomUUID(), metadata, owner }, this.#keyring)
    })
    const [outcome] = this.#writer.commit([[{ stream, expected: 'any', events: sealed }]])
    if (outcome === undefined || 'error' in outcome) throw outcome?.error ?? new Error('no outcome')
    const [result] = outcome.results
    if (!result?.ok) throw new Error('refused')
    return { revision: result.revision, position: result.position }
  }

  receive(account: string, count: number): { revision: Revision; position: Position } {
    const events = Array.from({ length: count }, (_, i): EverpostEvent => {
      const data = {
        messageId: randomUUID(),
        folderId: 'inbox',
        flags: i % 2 ? ['\\seen'] : [],
        receivedAt: this.#at + i,
      }
      return {
        type: 'MessageReceived',
        data: { ...data, content: content({ subject: `Mail ${i}` }), mailFrom: '', recipient: 'r', intakeId: 'i' },
      }
    })
    return this.append(mailboxStream(account), account, ...events)
  }

  close(): void {
    this.#writer.close()
    this.#keyring.close()
  }
}
