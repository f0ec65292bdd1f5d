import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { SearchPlan } from '../../projections/ports/search-index.ts'
import { MAX_QUERY_LENGTH, MAX_QUERY_TERMS, parseQuery, planQuery } from '../../projections/search/query.ts'

const NOW = Date.UTC(2024, 5, 15, 12)
const FOLDERS = [
  { id: 'f1', name: 'INBOX', parentId: null, role: 'inbox' },
  { id: 'f2', name: 'Gelöschte Objekte', parentId: null, role: 'trash' },
  { id: 'f3', name: 'Sent', parentId: 'f4', role: null },
  { id: 'f4', name: 'Work', parentId: null, role: null },
  { id: 'f5', name: 'Sent Items', parentId: null, role: 'sent' },
] as const

const plan = (text: string, options = {}) => planQuery(parseQuery(text, { now: NOW, ...options }), FOLDERS)

/** A plan as a person would write it down. */
function show(node: SearchPlan): string {
  switch (node.kind) {
    case 'and':
    case 'or':
      return `(${node.plans.map(show).join(node.kind === 'and' ? ' ' : ' | ')})`
    case 'not':
      return `!${show(node.plan)}`
    case 'words':
      return `${node.fields === null ? '' : `${node.fields.join('+')}:`}${node.tokens.join('_')}${node.prefix ? '*' : ''}`
    case 'folder':
      return `in:${node.folderIds.join('+')}`
    case 'flag':
      return `${node.set ? '' : '!'}${node.flag}`
    case 'received': {
      const date = (time: number | undefined) => (time === undefined ? '' : new Date(time).toISOString().slice(0, 16))
      return `[${date(node.from)}..${date(node.before)})`
    }
    case 'size':
      return `size${node.over === undefined ? `<${node.under}` : `>${node.over}`}`
    default:
      return node.kind
  }
}

describe('the search language', () => {
  const cases: readonly (readonly [query: string, plan: string])[] = [
    ['one two', '(one two)'],
    ['"one two" three', '(one_two three)'],
    ['“one two”', 'one_two'],
    ['"never closed', 'never_closed'],
    ['-one two', '(!one two)'],
    ['NOT one', '!one'],
    ['--one', 'one'],
    ['a - b', '(a b)'],
    ['one OR two three', '(one | (two three))'],
    ['one or two', '(one or two)'],
    ['one AND two', '(one two)'],
    ['(one OR two) three', '((one | two) three)'],
    ['-(one two)', '!(one two)'],
    ['OR one OR', 'one'],
    ['((one', 'one'],
    ['one) two', '(one two)'],
    ['inv*', 'inv*'],
    ['"for mar*"', 'for_mar*'],
    ['"for mar"*', 'for_mar*'],
    ['from:ann', 'from:ann'],
    ['FROM:Ann', 'from:ann'],
    ['from:"Ann Lee"', 'from:ann_lee'],
    ['from:(ann OR lee)', '(from:ann | from:lee)'],
    ['-from:ann@example.com', '!from:ann_example_com'],
    ['to:bob', 'to+cc:bob'],
    ['subject:re: lunch', '(subject:re lunch)'],
    ['filename:*.pdf', 'filename:pdf'],
    ['https://example.com/a', 'https_example_com_a'],
    ['unknown:word', 'unknown_word'],
    ['12:30', '12_30'],
    ['has:attachment', 'attachment'],
    ['is:unread is:Starred -is:answered', '(!seen flagged !answered)'],
    ['in:inbox', 'in:f1'],
    ['in:trash', 'in:f2'],
    ['in:"gelöschte objekte"', 'in:f2'],
    ['in:sent', 'in:f3'],
    ['in:work/sent', 'in:f3'],
    ['in:f5', 'in:f5'],
    ['in:anywhere', 'all'],
    ['before:2024', '[..2024-01-01T00:00)'],
    ['after:2024-05', '[2024-05-01T00:00..)'],
    ['on:2024-05', '[2024-05-01T00:00..2024-06-01T00:00)'],
    ['on:2023', '[2023-01-01T00:00..2024-01-01T00:00)'],
    ['after:2024/5/1', '[2024-05-01T00:00..)'],
    ['after:7d', '[2024-06-08T12:00..)'],
    ['on:today', '[2024-06-15T00:00..2024-06-16T00:00)'],
    ['larger:5M', 'size>5242880'],
    ['smaller:1.5k', 'size<1536'],
    ['larger:10MB', 'size>10485760'],
    ['검색 엔진', '(검색 엔진)'],
    ['"검색 엔진"', '검색_색_엔진'],
    ['', 'none'],
    ['   ', 'none'],
  ]
  for (const [query, expected] of cases) {
    it(`reads ${query || 'nothing'}`, () => {
      const { plan: read, warnings } = plan(query)
      assert.equal(show(read), expected)
      assert.deepEqual(warnings, [])
    })
  }

  const warned: readonly (readonly [query: string, plan: string, warning: RegExp])[] = [
    ['before:yesterdayish x', 'x', /not a date/],
    ['after:2024-02-31', 'none', /not a date/],
    ['after:2024-13', 'none', /not a date/],
    ['larger:big', 'none', /not a size/],
    ['is:purple x', 'x', /not known/],
    ['has:fun', 'none', /not known/],
    ['from: x', 'x', /needs a value/],
    ['in:nowhere', 'in:', /no folder called “nowhere”/],
    ['!!! x', 'x', /nothing to search for/],
    ['""', 'none', /./],
  ]
  for (const [query, expected, warning] of warned.slice(0, -1)) {
    it(`leaves out and says so: ${query}`, () => {
      const { plan: read, warnings } = plan(query)
      assert.equal(show(read), expected)
      assert.equal(warnings.length, 1)
      assert.match(warnings[0] ?? '', warning)
    })
  }

  it('takes the last word as unfinished only while someone types it', () => {
    assert.equal(show(plan('one two', { typing: true }).plan), '(one two*)')
    assert.equal(show(plan('one two ', { typing: true }).plan), '(one two)')
    assert.equal(show(plan('"one two"', { typing: true }).plan), 'one_two')
    assert.equal(show(plan('one tw', { typing: true }).plan), '(one tw)')
  })

  it('begins days where the person is', () => {
    assert.equal(show(plan('on:2024-06-15', { utcOffset: 9 * 60 }).plan), '[2024-06-14T15:00..2024-06-15T15:00)')
    assert.equal(show(plan('on:today', { utcOffset: 14 * 60 }).plan), '[2024-06-15T10:00..2024-06-16T10:00)')
  })

  it('is bounded in length, terms and depth', () => {
    const long = plan('word '.repeat(1000))
    assert.equal(long.plan.kind === 'and' && long.plan.plans.length, MAX_QUERY_TERMS)
    assert.equal(long.warnings.length, 2)
    assert.equal(plan('x'.repeat(MAX_QUERY_LENGTH + 1)).warnings.length, 1)
    assert.match(plan(`${'('.repeat(100)}a`).warnings[0] ?? '', /deeper/)
    const depth = (node: SearchPlan): number =>
      'plans' in node ? 1 + Math.max(...node.plans.map(depth)) : 'plan' in node ? 1 + depth(node.plan) : 1
    assert.ok(depth(plan('-(a OR b -('.repeat(90)).plan) < 40)
  })

  it('never throws and always ends, for any text', () => {
    const piece = fc.constantFrom(
      '(',
      ')',
      '"',
      '“',
      '-',
      '*',
      'OR',
      'AND',
      'NOT',
      ' ',
      'from:',
      'in:',
      'before:',
      'is:',
      'larger:',
      'a',
      '검',
      '7d',
      ':',
      '\u0000',
      '\ud800',
    )
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece, { maxLength: 80 }).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, fc.boolean(), (query, typing) => {
        const { plan: read, warnings } = plan(query, { typing })
        assert.ok(warnings.length <= 20)
        assert.equal(typeof show(read), 'string')
      }),
      { numRuns: 3000 },
    )
  })
})
