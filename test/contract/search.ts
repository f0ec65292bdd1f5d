// What every search engine must do. Run by one line per engine in search.test.ts; the in-memory engine is the model of the others.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { MemorySearchIndex } from '../../infra/adapters/search/memory.ts'
import { type SearchIndex, SearchIndexError } from '../../projections/ports/search-index.ts'
import { type SearchOptions, type SearchResult, searchMessages } from '../../projections/search/search.ts'
import { TestLog, type TestMessage } from '../search/log.ts'

export type OpenIndex = (t: TestContext) => Promise<SearchIndex>

const NOW = Date.UTC(2024, 5, 15, 12)
const day = (text: string) => Date.parse(`${text}T12:00:00Z`)
/** No two of their tokens share a byte in a trace, so that phrases are exact; asserted in test/search/trace.test.ts. */
export const FUZZ_WORDS = ['red', 'green', 'blue', 'greenish', '검색', '검색어', '색어', '東京都', '京', 'été']
const ALICE = 'alice'
const BOB = 'bob'

const MESSAGES: readonly TestMessage[] = [
  {
    id: 'invoice',
    subject: 'Invoice for March',
    from: 'Müller GmbH <billing@mueller-shop.example.com>',
    to: 'alice@example.test',
    text: 'Please find the invoice attached. The total is 1,234.56 EUR. Don’t be late!',
    files: ['Invoice-2024-03.pdf'],
    receivedAt: day('2024-03-02'),
    size: 6_000_000,
    flags: ['\\seen'],
  },
  {
    id: 'lunch',
    subject: 'Lunch on Friday?',
    from: 'Zoë Brontë <zoe@cafe.example.net>',
    to: 'alice@example.test',
    cc: 'carol@example.org',
    text: 'The café at the corner has a new menu. Shall we go to the corner café for lunch?',
    receivedAt: day('2024-06-10'),
    flags: ['\\flagged'],
  },
  {
    id: 'korean',
    subject: '검색엔진 회의 안내',
    from: '김민수 <minsu@example.kr>',
    to: 'alice@example.test',
    text: '내일 오후에 검색엔진에 대한 회의가 있습니다. 서울특별시청에서 만나요. KT에서 보냈습니다.',
    receivedAt: day('2024-06-12'),
  },
  {
    id: 'japanese',
    subject: '東京都庁での会議',
    from: '山田太郎 <taro@example.jp>',
    to: 'alice@example.test',
    text: '明日の会議は東京都庁で行います。データベースとｻｰﾊﾞｰの資料をお持ちください。',
    receivedAt: day('2024-05-20'),
    flags: ['\\seen', '\\answered'],
  },
  {
    id: 'chinese',
    folder: 'archive',
    subject: '关于项目进度的报告',
    from: '王小明 <xm@example.cn>',
    to: 'alice@example.test',
    text: '附件是本月的项目进度报告，请查收。北京大学的同事也会参加。',
    receivedAt: day('2023-12-31'),
    files: ['报告.docx'],
  },
  {
    id: 'russian',
    folder: 'plans',
    subject: 'Ёлка и подарки',
    from: 'Иван <ivan@example.ru>',
    to: 'alice@example.test',
    text: 'Привет! Приходи на ёлку, будет весело.',
    receivedAt: day('2024-01-01'),
  },
  {
    id: 'thai',
    subject: 'สวัสดีปีใหม่',
    from: 'somchai@example.th',
    to: 'alice@example.test',
    text: 'ขอให้มีความสุขมาก ๆ นะครับ',
    receivedAt: day('2024-01-02'),
  },
  {
    id: 'arabic',
    subject: 'مرحبا',
    from: 'أحمد <ahmad@example.eg>',
    to: 'alice@example.test',
    text: 'السَّلامُ عليكم، موعد الاجتماع غداً',
    receivedAt: day('2024-02-02'),
  },
  {
    id: 'code',
    folder: 'work',
    subject: 'Re: build broken on main',
    from: 'CI <no-reply@ci.example.com>',
    to: 'dev-team@lists.example.com',
    text: 'see https://ci.example.com/job/1234?x=y and FOO_BAR_BAZ; error C2065 in src/main.cpp line 42',
    receivedAt: day('2024-06-14'),
    size: 500,
  },
]

function mailbox(): TestLog {
  return new TestLog()
    .open(ALICE)
    .open(BOB)
    .receive(ALICE, ...MESSAGES)
}

export function searchContract(engine: string, open: OpenIndex): void {
  const search = (
    index: SearchIndex,
    log: TestLog,
    query: string,
    options: SearchOptions = {},
    account: string = ALICE,
  ): Promise<SearchResult> => searchMessages(index, log, account, query, { now: NOW, ...options })
  const ids = (result: SearchResult): string[] => result.hits.map((hit) => hit.messageId).sort()

  describe(`SearchIndex contract: ${engine}`, () => {
    const cases: readonly (readonly [query: string, ...found: string[]])[] = [
      ['invoice', 'invoice'],
      ['INVOICE march', 'invoice'],
      ['invoice lunch'],
      ['invoice OR lunch', 'invoice', 'lunch'],
      ['corner café', 'lunch'],
      ['"corner cafe"', 'lunch'],
      ['"cafe corner"'],
      ['"the corner has"', 'lunch'],
      ['cafe -menu'],
      ['example -"corner cafe"', ...MESSAGES.map((message) => message.id).filter((id) => id !== 'lunch')],
      ['-example'],
      ['-from:example.com -from:kr -from:jp -from:cn -from:ru -from:th -from:eg', 'lunch'],
      ['muller', 'invoice'],
      ['MÜLLER', 'invoice'],
      ['mueller', 'invoice'],
      ['bronte', 'lunch'],
      ["don't", 'invoice'],
      ['don’t', 'invoice'],
      ['1,234.56', 'invoice'],
      ['billing@mueller-shop.example.com', 'invoice'],
      ['from:billing@mueller-shop.example.com', 'invoice'],
      ['mueller-shop.example.com', 'invoice'],
      ['shop.mueller'],
      ['from:zoe@cafe.example.net', 'lunch'],
      ['from:"zoe bronte"', 'lunch'],
      ['from:(zoe OR minsu)', 'korean', 'lunch'],
      ['to:carol', 'lunch'],
      ['cc:carol', 'lunch'],
      ['from:carol'],
      ['to:dev-team@lists.example.com', 'code'],
      ['subject:lunch', 'lunch'],
      ['subject:corner'],
      ['filename:pdf', 'invoice'],
      ['filename:invoice-2024-03.pdf', 'invoice'],
      ['filename:报告', 'chinese'],
      ['2024-03.pdf', 'invoice'],
      ['inv*', 'invoice'],
      ['inv'],
      ['subject:inv*', 'invoice'],
      ['"for mar*"', 'invoice'],
      ['검색', 'korean'],
      ['엔진', 'korean'],
      ['색엔', 'korean'],
      ['검색엔진', 'korean'],
      ['검색 회의', 'korean'],
      ['"검색엔진 회의"', 'korean'],
      ['"검색 회의"'],
      ['특별시', 'korean'],
      ['청', 'korean'],
      ['서울', 'korean'],
      ['서울시청'],
      ['KT에서', 'korean'],
      ['from:민수', 'korean'],
      ['東京', 'japanese'],
      ['京都', 'japanese'],
      ['都庁', 'japanese'],
      ['東京都庁', 'japanese'],
      ['庁', 'japanese'],
      ['東都'],
      ['サーバー', 'japanese'],
      ['データ', 'japanese'],
      ['进度', 'chinese'],
      ['项目进度', 'chinese'],
      ['北京大学', 'chinese'],
      ['大学', 'chinese'],
      ['北大'],
      ['елка', 'russian'],
      ['ЁЛКА', 'russian'],
      ['привет', 'russian'],
      ['ความสุข', 'thai'],
      ['สวัสดี', 'thai'],
      ['احمد', 'arabic'],
      ['السلام', 'arabic'],
      ['foo_bar_baz', 'code'],
      ['C2065', 'code'],
      ['https://ci.example.com/job/1234', 'code'],
      ['main.cpp', 'code'],
      ['in:inbox lunch', 'lunch'],
      ['in:archive', 'chinese'],
      ['in:"deleted items"'],
      ['in:trash'],
      ['in:"Work/Pläne 2024"', 'russian'],
      ['in:"plane 2024"', 'russian'],
      ['in:work', 'code'],
      ['in:archive OR in:work', 'chinese', 'code'],
      ['has:attachment', 'chinese', 'invoice'],
      ['has:attachment -in:archive', 'invoice'],
      ['is:read', 'invoice', 'japanese'],
      ['is:unread from:example.com', 'code'],
      ['is:flagged', 'lunch'],
      ['is:answered', 'japanese'],
      ['-is:unread', 'invoice', 'japanese'],
      ['is:flagged OR 会議', 'japanese', 'lunch'],
      ['(is:flagged OR 会議) -cafe', 'japanese'],
      ['before:2024', 'chinese'],
      ['before:2024-01-02', 'chinese', 'russian'],
      ['after:2024-06 before:2024-06-13', 'korean', 'lunch'],
      ['after:7d', 'code', 'korean', 'lunch'],
      ['on:2024-06-10', 'lunch'],
      ['larger:5M', 'invoice'],
      ['smaller:1k smaller:501', 'code'],
      ['-larger:600 -in:inbox', 'code'],
      ['error OR (corner menu) OR nothing', 'code', 'lunch'],
    ]
    for (const [query, ...found] of cases) {
      it(`finds ${found.length === 0 ? 'nothing' : found.slice(0, 3).join(', ')} for ${query}`, async (t) => {
        const index = await open(t)
        const log = mailbox()
        await log.project(index)
        const result = await search(index, log, query)
        assert.deepEqual(ids(result), [...found].sort())
        assert.equal(result.totalIsExact, true)
      })
    }

    it('takes an unfinished last word while someone types', async (t) => {
      const index = await open(t)
      const log = mailbox()
      await log.project(index)
      assert.deepEqual(ids(await search(index, log, 'corner caf', { typing: true })), ['lunch'])
      assert.deepEqual(ids(await search(index, log, 'corner caf')), [])
      assert.deepEqual(ids(await search(index, log, 'caf corner', { typing: true })), [])
    })

    it('shows where it was found', async (t) => {
      const index = await open(t)
      const log = mailbox()
      await log.project(index)
      const marked = (segments: readonly { text: string; match: boolean }[]) =>
        segments.map(({ text, match }) => (match ? `[${text}]` : text)).join('')
      const hit = (await search(index, log, '"corner cafe" lunch')).hits[0]
      assert.equal(marked(hit?.subject ?? []), '[Lunch] on Friday?')
      assert.match(marked(hit?.snippet ?? []), /go to the \[corner café\] for \[lunch\]\?$/)
      const korean = (await search(index, log, '엔진')).hits[0]
      assert.equal(marked(korean?.subject ?? []), '검색[엔진] 회의 안내')
    })

    it('prefers subject, then sender, then text, and newer over older', async (t) => {
      const index = await open(t)
      const log = new TestLog().open(ALICE)
      const at = day('2024-06-01')
      log.receive(
        ALICE,
        { id: 'subject', subject: 'budget', text: 'x', receivedAt: at },
        { id: 'sender', from: 'Budget <b@example.com>', text: 'x', receivedAt: at },
        { id: 'old-text', text: 'budget', receivedAt: day('2020-01-01') },
        { id: 'text', text: 'the budget and the plan', receivedAt: at },
        { id: 'together', text: 'the budget plan', receivedAt: at },
      )
      await log.project(index)
      const order = async (query: string) => (await search(index, log, query)).hits.map((hit) => hit.messageId)
      assert.deepEqual((await order('budget')).slice(0, 2), ['subject', 'sender'])
      assert.equal((await order('budget')).at(-1), 'old-text')
      assert.deepEqual(await order('budget plan'), ['together', 'text'])
    })

    it('pages without gaps or doubles while mail arrives', async (t) => {
      const index = await open(t)
      const log = new TestLog().open(ALICE)
      for (let i = 0; i < 1300; i++) {
        log.receive(ALICE, {
          id: `m${i}`,
          subject: i % 7 === 0 ? 'report' : 'hello',
          text: `weekly report ${i}`,
          receivedAt: day('2024-01-01') + i * 1000,
        })
      }
      await log.project(index, { batch: 500 })
      const seen: string[] = []
      let after: string | null = null
      let pages = 0
      do {
        const page: SearchResult = await search(index, log, 'report', { first: 130, after })
        assert.equal(page.total, 1000)
        assert.equal(page.totalIsExact, false)
        seen.push(...page.hits.map((hit) => hit.messageId))
        assert.equal(page.hasNext, seen.length < 1300)
        after = page.cursor
        log.receive(ALICE, { id: `late${pages}`, subject: 'report' })
        await log.project(index)
      } while (++pages < 12 && seen.length < 1300)
      assert.equal(new Set(seen).size, 1300)
      assert.equal(seen.length, 1300)
      assert.ok(!seen.some((id) => id.startsWith('late')))
    })

    it('answers a foreign cursor with the first page and a warning', async (t) => {
      const index = await open(t)
      const log = mailbox()
      await log.project(index)
      for (const after of ['', 'x', 'r.1.2.3', `r.${'z'.repeat(11)}.0.0.0`, "o.0.0.0.0'--", 'r.0.0.0.0\n']) {
        const result = await search(index, log, 'invoice', { after })
        assert.deepEqual(ids(result), ['invoice'], after)
        assert.equal(result.warnings.length, 1)
        await assert.rejects(
          index.query(ALICE, { kind: 'all' }, { first: 1, now: NOW, after }),
          (error) => error instanceof SearchIndexError && error.code === 'bad-cursor',
        )
      }
    })

    it('follows flags, moves, copies, expunges, restores and folders', async (t) => {
      const index = await open(t)
      const log = mailbox()
      await log.project(index)
      const found = async (query: string) => {
        await log.project(index)
        return ids(await search(index, log, query))
      }
      log.append(ALICE, {
        type: 'FlagsChanged',
        data: { messageIds: ['lunch', 'no'], add: ['\\seen'], remove: ['\\flagged'] },
      })
      assert.deepEqual(await found('lunch is:read -is:flagged'), ['lunch'])
      log.append(ALICE, { type: 'MessageMoved', data: { messageId: 'lunch', folderId: 'work' } })
      assert.deepEqual(await found('in:work lunch'), ['lunch'])
      log.append(ALICE, { type: 'MessageMoved', data: { messageId: 'lunch', folderId: 'nowhere' } })
      assert.deepEqual(await found('in:work lunch'), ['lunch'])
      log.append(ALICE, { type: 'MessageCopied', data: { messageId: 'lunch', copyId: 'copy', folderId: 'archive' } })
      assert.deepEqual(await found('"corner cafe"'), ['copy', 'lunch'])
      assert.deepEqual(await found('in:archive cafe is:read'), ['copy'])
      log.append(ALICE, { type: 'MessagesExpunged', data: { messageIds: ['lunch', 'no'] } })
      assert.deepEqual(await found('cafe'), ['copy'])
      log.append(ALICE, { type: 'FlagsChanged', data: { messageIds: ['lunch'], add: ['\\flagged'], remove: [] } })
      log.append(ALICE, { type: 'MessageCopied', data: { messageId: 'lunch', copyId: 'copy2', folderId: 'archive' } })
      log.append(ALICE, { type: 'MessageMoved', data: { messageId: 'lunch', folderId: 'inbox' } })
      assert.deepEqual(await found('cafe'), ['copy'])
      log.receive(ALICE, { id: 'lunch', text: 'cafe impostor' })
      assert.deepEqual(await found('cafe'), ['copy'])
      log.append(ALICE, { type: 'MessageRestored', data: { messageId: 'lunch', folderId: 'gone' } })
      assert.deepEqual(await found('in:inbox "corner cafe" -is:flagged'), ['lunch'])
      assert.deepEqual(await found('impostor'), [])
      log.append(ALICE, { type: 'FolderRenamed', data: { folderId: 'work', name: 'Büro' } })
      assert.deepEqual(await found('in:buro'), ['code'])
      assert.deepEqual(await found('in:büro/pläne-2024'), ['russian'])
      log.append(ALICE, { type: 'FolderDeleted', data: { folderId: 'work' } })
      assert.deepEqual(await found('in:buro'), ['code'])
      log.append(ALICE, { type: 'FolderMoved', data: { folderId: 'plans', parentId: null } })
      log.append(ALICE, { type: 'FolderDeleted', data: { folderId: 'work' } })
      assert.deepEqual(await found('broken'), [])
      assert.match((await search(index, log, 'in:buro')).warnings[0] ?? '', /no folder/)
      log.append(ALICE, { type: 'FolderDeleted', data: { folderId: 'inbox' } })
      assert.deepEqual(await found('in:inbox 검색'), ['korean'])
      log.receive(ALICE, { id: 'lost', folder: 'work', text: 'lostandfound' })
      assert.deepEqual(await found('in:inbox lostandfound'), ['lost'])
    })

    it('does the same in one batch as in many', async (t) => {
      const index = await open(t)
      const log = new TestLog().open(ALICE)
      log.receive(ALICE, { id: 'a', text: 'alpha' }, { id: 'b', text: 'beta' })
      log.append(ALICE, { type: 'MessageCopied', data: { messageId: 'a', copyId: 'a2', folderId: 'work' } })
      log.append(ALICE, { type: 'MessageCopied', data: { messageId: 'a2', copyId: 'a3', folderId: 'archive' } })
      log.append(ALICE, { type: 'MessagesExpunged', data: { messageIds: ['a', 'a2', 'b'] } })
      log.append(ALICE, { type: 'MessageRestored', data: { messageId: 'b', folderId: 'work' } })
      log.append(ALICE, { type: 'MessagesExpunged', data: { messageIds: ['b'] } })
      log.append(ALICE, { type: 'MessageRestored', data: { messageId: 'b', folderId: 'archive' } })
      await log.project(index)
      assert.deepEqual(ids(await search(index, log, 'alpha')), ['a3'])
      assert.deepEqual(ids(await search(index, log, 'in:archive')), ['a3', 'b'])
    })

    it('reads the rest of a long text from its blob', async (t) => {
      const index = await open(t)
      const log = new TestLog().open(ALICE)
      const raw = Buffer.from(`Subject: long\r\n\r\n${'filler words here\r\n'.repeat(2000)}needle in the hay\r\n`)
      log.receive(ALICE, { id: 'long', text: 'filler words here', textTruncated: true, size: raw.length })
      await log.project(index, {
        messages: { read: async (_, start = 0, end = raw.length) => raw.subarray(start, end) },
      })
      assert.deepEqual(ids(await search(index, log, '"needle in the hay"')), ['long'])
      assert.deepEqual(ids(await search(index, log, 'words')), ['long'])
    })

    it('shows the other hits when an event cannot be opened', async (t) => {
      const index = await open(t)
      const log = mailbox()
      await log.project(index)
      const broken = log.events.find((event) => event.type === 'MessageReceived' && event.data.messageId === 'invoice')
      const source = {
        readPositions: async (positions: readonly bigint[]) => {
          if (broken !== undefined && positions.includes(broken.position)) throw new Error('cannot be opened')
          return log.readPositions(positions)
        },
      }
      const result = await searchMessages(index, source, ALICE, 'invoice OR lunch', { now: NOW })
      assert.deepEqual(ids(result), ['lunch'])
    })

    it('skips what it has applied already', async (t) => {
      const index = await open(t)
      const log = mailbox()
      await log.project(index)
      const checkpoint = await index.checkpoint()
      assert.equal(checkpoint, log.events.at(-1)?.position)
      const word = { kind: 'words', fields: null, tokens: ['twice'], prefix: false } as const
      const words = { subject: 'twice', from: '', to: '', cc: '', filename: '', body: '' }
      const change = {
        op: 'put',
        account: ALICE,
        document: {
          messageId: 'twice',
          folderId: 'inbox',
          flags: [],
          receivedAt: 0,
          size: 1,
          hasAttachment: false,
          arrivedAt: 4000n,
          position: 1n,
          words,
        },
      } as const
      await index.apply([change], checkpoint ?? 0n)
      assert.equal((await index.query(ALICE, word, { first: 1, now: NOW })).total, 0)
      await index.apply([change], (checkpoint ?? 0n) + 1n)
      await index.apply([change], (checkpoint ?? 0n) + 2n)
      assert.equal((await index.query(ALICE, word, { first: 1, now: NOW })).total, 1)
    })

    it('forgets an erased account and nobody else', async (t) => {
      const index = await open(t)
      const log = mailbox().receive(BOB, { id: 'b1', text: 'invoice of bob' })
      log.append(ALICE, { type: 'AccountErased', data: { accountId: ALICE } })
      await log.project(index)
      assert.deepEqual(ids(await search(index, log, 'invoice')), [])
      assert.deepEqual(ids(await search(index, log, 'in:anywhere')), [])
      assert.deepEqual(await index.folders(ALICE), [])
      assert.equal((await index.contents(ALICE, ['invoice'])).size, 0)
      assert.deepEqual(ids(await search(index, log, 'invoice', {}, BOB)), ['b1'])
    })

    it('keeps accounts apart', async (t) => {
      const index = await open(t)
      const log = mailbox().receive(BOB, { id: 'b1', subject: 'bobsecret', text: 'invoice' })
      log.append(BOB, { type: 'FlagsChanged', data: { messageIds: ['invoice'], add: ['\\flagged'], remove: [] } })
      log.append(BOB, { type: 'MessagesExpunged', data: { messageIds: ['invoice'] } })
      log.append(BOB, { type: 'MessageCopied', data: { messageId: 'lunch', copyId: 'stolen', folderId: 'inbox' } })
      await log.project(index)
      assert.deepEqual(ids(await search(index, log, 'bobsecret')), [])
      assert.deepEqual(ids(await search(index, log, '-nothing')), MESSAGES.map((message) => message.id).sort())
      assert.deepEqual(ids(await search(index, log, 'invoice', {}, BOB)), ['b1'])
      assert.deepEqual(ids(await search(index, log, '-nothing', {}, BOB)), ['b1'])
      assert.deepEqual(ids(await search(index, log, 'invoice', {}, 'nobody')), [])
      assert.deepEqual(ids(await search(index, log, 'invoice', {}, `${ALICE}' OR '1'='1`)), [])
      // A cursor of one account shows another only its own.
      const cursor = (await search(index, log, 'example OR invoice', { first: 1 })).cursor
      for (const hit of (await search(index, log, 'example OR invoice', { after: cursor }, BOB)).hits) {
        assert.equal(hit.messageId, 'b1')
      }
    })

    it('answers as the model does, whatever happens and whatever is asked', async (t) => {
      const accounts = ['ann', 'ben', 'cat']
      const vocabulary = FUZZ_WORDS
      const text = fc.array(fc.constantFrom(...vocabulary), { maxLength: 6 }).map((list) => list.join(' '))
      const id = fc.integer({ min: 0, max: 14 }).map((n) => `m${n}`)
      const folder = fc.constantFrom('inbox', 'archive', 'work', 'plans', 'ghost')
      const flag = fc.constantFrom('\\seen', '\\flagged', '\\answered')
      const step = fc.record({
        account: fc.constantFrom(...accounts),
        event: fc.oneof(
          {
            weight: 4,
            arbitrary: fc.record({
              kind: fc.constant('receive' as const),
              id,
              folder,
              subject: text,
              text,
              from: fc.constantFrom('red@green.example', 'blue@x.example'),
              flags: fc.uniqueArray(flag),
              receivedAt: fc.integer({ min: 0, max: 1e12 }),
            }),
          },
          fc.record({
            kind: fc.constant('flags' as const),
            ids: fc.array(id, { maxLength: 3 }),
            add: fc.uniqueArray(flag),
            remove: fc.uniqueArray(flag),
          }),
          fc.record({ kind: fc.constant('move' as const), id, folder }),
          fc.record({ kind: fc.constant('copy' as const), id, copy: id, folder }),
          fc.record({ kind: fc.constant('expunge' as const), ids: fc.array(id, { maxLength: 3 }) }),
          fc.record({ kind: fc.constant('restore' as const), id, folder }),
          fc.record({ kind: fc.constant('delete' as const), folder }),
          fc.record({ kind: fc.constant('erase' as const) }),
        ),
      })
      const { query } = fc.letrec((tie) => ({
        leaf: fc.oneof(
          fc.constantFrom(...vocabulary),
          fc.constantFrom(
            'gre*',
            '"red green"',
            '"검색 東京"',
            'subject:red',
            'from:red',
            'from:"red green"',
            'is:unread',
            'in:archive',
            'before:1990',
            '색',
          ),
        ),
        query: fc.oneof(
          { maxDepth: 3 },
          tie('leaf') as fc.Arbitrary<string>,
          (tie('query') as fc.Arbitrary<string>).map((q) => `-(${q})`),
          fc
            .tuple(tie('query') as fc.Arbitrary<string>, tie('query') as fc.Arbitrary<string>)
            .map(([a, b]) => `${a} ${b}`),
          fc
            .tuple(tie('query') as fc.Arbitrary<string>, tie('query') as fc.Arbitrary<string>)
            .map(([a, b]) => `(${a} OR ${b})`),
        ),
      }))
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { maxLength: 60 }),
          fc.array(query as fc.Arbitrary<string>, { minLength: 1, maxLength: 8 }),
          fc.integer({ min: 1, max: 40 }),
          async (steps, queries, batch) => {
            const index = await open(t)
            const model = new MemorySearchIndex()
            const log = new TestLog()
            for (const account of accounts) log.open(account)
            for (const { account, event } of steps) {
              // The same ids in every account: a leak would show.
              if (event.kind === 'receive') log.receive(account, { ...event, id: `${event.id}` })
              else if (event.kind === 'flags')
                log.append(account, {
                  type: 'FlagsChanged',
                  data: { messageIds: event.ids, add: event.add, remove: event.remove },
                })
              else if (event.kind === 'move')
                log.append(account, { type: 'MessageMoved', data: { messageId: event.id, folderId: event.folder } })
              else if (event.kind === 'copy')
                log.append(account, {
                  type: 'MessageCopied',
                  data: { messageId: event.id, copyId: event.copy, folderId: event.folder },
                })
              else if (event.kind === 'expunge')
                log.append(account, { type: 'MessagesExpunged', data: { messageIds: event.ids } })
              else if (event.kind === 'restore')
                log.append(account, { type: 'MessageRestored', data: { messageId: event.id, folderId: event.folder } })
              else if (event.kind === 'delete')
                log.append(account, { type: 'FolderDeleted', data: { folderId: event.folder } })
              else log.append(account, { type: 'AccountErased', data: { accountId: account } })
            }
            await log.project(index, { batch })
            await log.project(model, { batch: 1000 })
            for (const account of accounts) {
              for (const text of queries) {
                const options = { first: 250 }
                const answer = await search(index, log, text, options, account)
                const wanted = await search(model, log, text, options, account)
                assert.deepEqual(ids(answer), ids(wanted), `${account}: ${text}`)
              }
            }
            await index.close()
          },
        ),
        { numRuns: 60 },
      )
    })
  })
}
