// Engines that answer badly: slow, cut, endless, nonsense, or not at all. None of it may hold up, fill up or crash the server.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import type { MailFilter } from '../../commands/ports/mail-filter.ts'
import { ClamdFilter } from '../../infra/adapters/mail-filter/clamd.ts'
import { RspamdFilter } from '../../infra/adapters/mail-filter/rspamd.ts'
import { SpamdFilter } from '../../infra/adapters/mail-filter/spamd.ts'
import { HAM_MESSAGE, messageOf } from '../contract/mail-filter.ts'
import { httpAnswer, type Speak, startDouble, streamed, wholeHttp, wholeSpamd } from '../support/filter-doubles.ts'

interface Kind {
  readonly name: string
  readonly open: (endpoint: { host: string; port: number }) => MailFilter
  readonly whole: (request: Buffer) => boolean
  readonly nonsense: readonly string[]
  readonly start: string
}

const KINDS: readonly Kind[] = [
  {
    name: 'rspamd',
    open: (endpoint) => new RspamdFilter(endpoint),
    whole: wholeHttp,
    nonsense: [
      httpAnswer('null'),
      httpAnswer('{"action":"dance","score":1}'),
      httpAnswer('{"action":"reject","score":"NaN"}'),
      httpAnswer('{"error":"no workers"}'),
      httpAnswer('<html>'),
      httpAnswer('{}', '500 Oops'),
      'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"action":',
      'not http\r\n\r\n',
    ],
    start: 'HTTP/1.1 200 OK\r\ncontent-length: 900000000\r\n\r\n',
  },
  {
    name: 'spamd',
    open: (endpoint) => new SpamdFilter(endpoint),
    whole: wholeSpamd,
    nonsense: [
      'SPAMD/1.0 76 Bad header line: (EOF during headers)\r\n',
      'SPAMD/1.1 0 EX_OK\r\n\r\n',
      'SPAMD/1.1 0 EX_OK\r\nSpam: True ; many / 5\r\n\r\n',
      'SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1 / 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\n\r\n',
    ],
    start: 'SPAMD/1.1 0 EX_OK\r\n',
  },
  {
    name: 'clamd',
    open: (endpoint) => new ClamdFilter(endpoint),
    whole: (request) => streamed(request) !== undefined,
    nonsense: ['INSTREAM size limit exceeded. ERROR\0', 'UNKNOWN COMMAND\0', 'stream: ', 'FOUND\0'],
    start: 'stream: ',
  },
]

const refuses = async (filter: MailFilter, what: string, ms = 3000) =>
  assert.rejects(filter.check(messageOf(HAM_MESSAGE), AbortSignal.timeout(ms)), Error, what)

for (const { name, open, whole, nonsense, start } of KINDS) {
  const double = async (t: TestContext, speak: Speak) => open(await startDouble(t, whole, speak))
  describe(`${name} that`, () => {
    it('talks nonsense, hangs up or is not there is an error', async (t) => {
      for (const answer of ['', ...nonsense]) await refuses(await double(t, () => answer), JSON.stringify(answer))
      await refuses(await double(t, (_request, socket) => void socket.destroy()), 'hung up')
      await refuses(open({ host: '127.0.0.1', port: 1 }), 'nobody there')
    })
    it('never answers is let go when the time is over', async (t) => {
      const began = performance.now()
      await refuses(await double(t, () => undefined), 'silence', 100)
      await refuses(await double(t, (_request, socket) => void socket.write(start)), 'half an answer', 100)
      assert.ok(performance.now() - began < 3000)
    })
    it('never stops talking is cut short', async (t) => {
      const endless: Speak = (_request, socket) => {
        socket.write(start)
        const piece = Buffer.alloc(65_536, 'x')
        const more = () => {
          while (!socket.destroyed && socket.write(piece));
          if (!socket.destroyed) socket.once('drain', more)
        }
        more()
      }
      await refuses(await double(t, endless), 'endless', 5000)
    })
    it('hangs up before it has read everything is an error', async (t) => {
      const endpoint = await startDouble(
        t,
        () => true,
        (_request, socket) => void socket.destroy(),
      )
      const large = messageOf(`Subject: x\r\n\r\n${'line of text\r\n'.repeat(30_000)}`)
      await assert.rejects(open(endpoint).check(large, AbortSignal.timeout(3000)))
    })
  })
}

describe('answers of engines', () => {
  it('may be any bytes', async (t) => {
    const said = { answer: Buffer.alloc(0) as Buffer }
    const speak: Speak = () => said.answer
    const filters = await Promise.all(KINDS.map(async ({ open, whole }) => open(await startDouble(t, whole, speak))))
    const line = fc.constantFrom(
      ...[
        'HTTP/1.1 200 OK\r\n',
        'content-length: 5\r\n',
        'SPAMD/1.1 0 EX_OK\r\n',
        'Spam: True ; 9 / 5\r\n',
        '\r\n',
        '\0',
        ' FOUND',
      ],
      ...['{"action":"reject","score":1,"symbols":{"A":null,"B":[],"C":{"score":{}}}}', ' 1.0 RULE text\n', 'stream: '],
    )
    const bytes = fc.array(
      fc.oneof(
        line.map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 20 }),
      ),
      { maxLength: 8 },
    )
    await fc.assert(
      fc.asyncProperty(bytes, async (pieces) => {
        said.answer = Buffer.concat(pieces)
        for (const filter of filters)
          await filter.check(messageOf(HAM_MESSAGE), AbortSignal.timeout(2000)).then(
            ({ opinion }) => assert.ok(Number.isFinite(opinion.score ?? 0)),
            (error) => assert.ok(error instanceof Error),
          )
      }),
      { numRuns: 30, seed: 11 },
    )
  })
})
