// SEARCH of texts through the search index: the same answers as by reading every message.
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { ImapClient } from '../support/imap-client.ts'
import { MailAccess, PASSWORD } from '../support/mail-access.ts'
import { personWith } from './people.ts'

let access: MailAccess
before(async () => {
  access = await MailAccess.start()
})
after(() => access.close())

const MAILS = [
  ['Gardening club', 'kim@garden.test', 'Tomatoes and cucumbers grow in the greenhouse.'],
  ['Re: accounts', 'lee@bank.test', 'Your overgrown statement is attached'],
  ['한국어 메일', 'park@seoul.test', '오늘은 검색어를 시험합니다. 안녕하세요'],
  ['Empty words', 'kim@garden.test', 'e-mail to foo.bar@example.org, twice: foo bar'],
  ['Résumé', 'jo@work.test', 'See the naïve approach of café owners'],
  ['Minutes', 'lee@bank.test', 'green house, white house'],
].map(
  ([subject, from, text]) =>
    `From: <${from}>\r\nTo: user@example.test\r\nSubject: =?utf-8?B?${Buffer.from(subject ?? '').toString('base64')}?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${text}\r\n`,
)

const QUERIES = [
  'TEXT greenhouse',
  'TEXT eenhou',
  'TEXT GROW',
  'BODY gardening',
  'TEXT gardening',
  'SUBJECT garden',
  'FROM garden',
  'FROM bank SUBJECT minutes',
  'TEXT "green house"',
  'TEXT "n house, wh"',
  'TEXT "foo.bar@"',
  'TEXT "foo bar"',
  'TEXT zzz',
  'NOT TEXT house',
  'OR TEXT tomatoes TEXT white',
  'TEXT house UNSEEN',
  'TEXT "--"',
  'TEXT e',
]
const UTF8 = ['TEXT 검색', 'TEXT 색어', 'TEXT 어', 'TEXT "시험합니다. 안"', 'SUBJECT 한국', 'BODY naïve', 'TEXT café']

describe('SEARCH of texts through the index', () => {
  const clients = async (t: TestContext) => {
    const { name, client: reading } = await personWith(access, t, ...MAILS)
    const byIndex = await ImapClient.connect(await access.imap(t, { limits: { readAllBelow: 0 } }))
    t.after(() => byIndex.close())
    await byIndex.ok(`LOGIN ${name}@example.test "${PASSWORD}"`)
    for (const client of [reading, byIndex]) await client.ok('SELECT INBOX')
    return { name, reading, byIndex }
  }
  const answer = async (client: ImapClient, query: string): Promise<string> => {
    if (!/[^\x00-\x7f]/.test(query)) return (await client.ok(`SEARCH ${query}`)).lines[0] ?? ''
    const [, key = '', text = ''] = /^(\S+) "?(.*?)"?$/.exec(query) ?? []
    const bytes = Buffer.from(text)
    return (
      (await client.ok(`SEARCH CHARSET UTF-8 ${key} {${bytes.length}+}\r\n${bytes.toString('latin1')}`)).lines[0] ?? ''
    )
  }

  it('finds what reading every message finds', async (t) => {
    const { reading, byIndex } = await clients(t)
    const head = await access.everpost.journal.head()
    await access.everpost.search.waitForPosition(head ?? 0n)
    for (const query of [...QUERIES, ...UTF8])
      assert.equal(await answer(byIndex, query), await answer(reading, query), query)
  })

  it('finds mail that the index has not seen yet', async (t) => {
    const { name, reading, byIndex } = await clients(t)
    await answer(byIndex, 'TEXT greenhouse')
    await access.deliver(name, 'From: a@b.test\r\nSubject: late\r\n\r\nanother Greenhouse\r\n')
    for (const client of [reading, byIndex]) await client.ok('NOOP')
    const found = await answer(byIndex, 'TEXT greenhouse')
    assert.equal(found, await answer(reading, 'TEXT greenhouse'))
    assert.match(found, / 7$/)
  })

  it('never finds mail of another account', async (t) => {
    const { byIndex } = await clients(t)
    const other = await personWith(access, t, 'Subject: only here xylophone\r\n\r\nxylophone\r\n')
    await other.client.ok('SELECT INBOX')
    const head = await access.everpost.journal.head()
    await access.everpost.search.waitForPosition(head ?? 0n)
    assert.equal(await answer(byIndex, 'TEXT xylophone'), '* SEARCH')
  })
})
