// Search as a server runs it: over a sealed log, in threads, with generations.
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { EverpostEvent } from '../../domain/events.ts'
import { mailboxStream } from '../../domain/log.ts'
import { SqliteLogWriter } from '../../infra/adapters/event-store/sqlite-writer.ts'
import { sealEvent } from '../../infra/adapters/journal/seal.ts'
import { FileKeyring } from '../../infra/adapters/keyring/file.ts'
import { SearchThreads } from '../../infra/adapters/search/search-threads.ts'
import { SearchIndexError } from '../../projections/ports/search-index.ts'
import { temporaryFolder } from '../support/folders.ts'
import { contentOf } from './log.ts'

class Server {
  readonly data: string
  readonly source: { log: string; keyring: string; masterKey: Uint8Array }
  readonly keyring: FileKeyring
  readonly #writer: SqliteLogWriter
  head = 0n

  constructor(t: TestContext) {
    this.data = temporaryFolder()
    this.source = {
      log: join(this.data, 'log.sqlite'),
      keyring: join(this.data, 'keys.sqlite'),
      masterKey: new Uint8Array(randomBytes(32)),
    }
    this.keyring = new FileKeyring(this.source.keyring, this.source.masterKey, { writable: true })
    this.#writer = new SqliteLogWriter(this.source.log)
    t.after(() => this.keyring.close())
  }

  append(account: string, ...events: readonly EverpostEvent[]): void {
    this.keyring.create(account)
    for (const event of events) {
      const metadata = { at: Date.now(), actor: account, via: 'smtp' as const, correlationId: '', causationId: '' }
      const stream = event.type === 'AccountErased' ? `account-${account}` : mailboxStream(account)
      const sealed = sealEvent(stream, { ...event, id: randomUUID(), metadata, owner: account }, this.keyring)
      for (const outcome of this.#writer.commit([[{ stream, expected: 'any', events: [sealed] }]])) {
        if ('error' in outcome) throw outcome.error
      }
      this.head++
    }
  }

  receive(account: string, ...texts: readonly string[]): void {
    if (this.keyring.dataKey(account) === undefined) {
      this.append(account, {
        type: 'FolderCreated',
        data: { folderId: 'inbox', name: 'INBOX', parentId: null, role: 'inbox' },
      })
    }
    for (const text of texts) {
      const messageId = `m${this.head}`
      const content = contentOf({ id: messageId, subject: text, text })
      const arrival = { messageId, folderId: 'inbox', flags: [], receivedAt: Date.now(), content }
      this.append(account, { type: 'MessageReceived', data: { ...arrival, mailFrom: '', recipient: '', intakeId: '' } })
    }
  }

  async start(t: TestContext): Promise<SearchThreads> {
    const search = await SearchThreads.start({ data: this.data, source: this.source })
    t.after(() => search.close())
    return search
  }

  async settle(search: SearchThreads): Promise<void> {
    search.poke(this.head)
    await search.waitForPosition(this.head, { timeoutMs: 20_000 })
  }
}

describe('search in threads', () => {
  it('indexes what is there, then what arrives, and goes on after a restart', async (t) => {
    const server = new Server(t)
    server.receive('ann', 'first words', 'second words')
    const search = await server.start(t)
    await server.settle(search)
    assert.equal((await search.search('ann', 'words')).total, 2)
    server.receive('ann', 'third words')
    await server.settle(search)
    const result = await search.search('ann', 'third')
    assert.deepEqual(result.hits[0]?.subject, [
      { text: 'third', match: true },
      { text: ' words', match: false },
    ])
    assert.equal((await search.search('ben', 'words')).total, 0)
    const [status] = await search.status()
    assert.equal(status?.checkpoint, server.head)
    assert.equal(status?.state, 'live')
    await search.close()
    await assert.rejects(search.search('ann', 'words'), SearchIndexError)
    server.receive('ann', 'fourth words')
    const again = await server.start(t)
    await server.settle(again)
    assert.equal((await again.search('ann', 'words')).total, 4)
  })

  it('rebuilds beside the generation that serves, under live traffic', async (t) => {
    const server = new Server(t)
    server.receive('ann', ...Array.from({ length: 300 }, (_, i) => `mail number${i}`))
    const search = await server.start(t)
    await server.settle(search)
    const phases = new Set<string>()
    let answered = 0
    let done = false
    const asking = (async () => {
      while (!done) {
        assert.ok((await search.search('ann', 'mail', { first: 5 })).total >= 300)
        answered++
      }
    })()
    const rebuilding = search.rebuild((progress) => phases.add(progress.phase))
    await assert.rejects(search.rebuild(), SearchIndexError)
    server.receive('ann', 'mail that came meanwhile')
    const result = await rebuilding
    done = true
    await asking
    assert.ok(answered > 0)
    assert.equal(result.generation, 2)
    assert.notEqual(result.same, false)
    assert.ok(phases.has('filling') && phases.has('done'))
    await server.settle(search)
    assert.equal((await search.search('ann', 'meanwhile')).total, 1)
    server.receive('ann', 'mail after the rebuild')
    await server.settle(search)
    assert.equal((await search.search('ann', 'after')).total, 1)
    const files = () => readdirSync(join(server.data, 'views')).filter((name) => name.endsWith('.sqlite'))
    assert.deepEqual(files().sort(), ['search-1.sqlite', 'search-2.sqlite'])
    const second = await search.rebuild()
    assert.equal(second.same, true)
    assert.deepEqual(files().sort(), ['search-2.sqlite', 'search-3.sqlite'])
  })

  it('begins again by itself when its file is damaged', async (t) => {
    const server = new Server(t)
    server.receive('ann', 'still here')
    const search = await server.start(t)
    await server.settle(search)
    await search.close()
    for (const name of readdirSync(join(server.data, 'views'))) {
      if (name.startsWith('search-')) writeFileSync(join(server.data, 'views', name), 'damaged'.repeat(5000))
    }
    const again = await server.start(t)
    await server.settle(again)
    assert.equal((await again.search('ann', 'here')).total, 1)
  })

  it('forgets an erased account, texts in memory too', async (t) => {
    const server = new Server(t)
    server.receive('ann', 'private matter')
    server.receive('ben', 'public matter')
    const search = await server.start(t)
    await server.settle(search)
    assert.equal((await search.search('ann', 'matter')).hits.length, 1)
    server.append('ann', { type: 'AccountErased', data: { accountId: 'ann' } })
    await server.keyring.destroy('ann')
    search.forget('ann')
    await server.settle(search)
    assert.equal((await search.search('ann', 'matter')).total, 0)
    assert.equal((await search.search('ben', 'matter')).total, 1)
    const rebuilt = await search.rebuild()
    assert.equal(rebuilt.same, true)
    assert.equal((await search.search('ann', 'matter')).total, 0)
  })

  it('answers many at once', async (t) => {
    const server = new Server(t)
    server.receive('ann', 'one', 'two', 'three')
    const search = await server.start(t)
    await server.settle(search)
    const results = await Promise.all(
      Array.from({ length: 300 }, (_, i) => search.search('ann', ['one', 'two', 'three'][i % 3] ?? '')),
    )
    assert.ok(results.every((result) => result.total === 1))
  })
})
