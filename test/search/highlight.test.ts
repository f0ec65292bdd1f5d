import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { queryTokens } from '../../projections/search/analyzer.ts'
import { findMatches, highlight, highlightTerms, type Segment, snippet } from '../../projections/search/highlight.ts'
import { parseQuery, planQuery } from '../../projections/search/query.ts'

const term = (text: string, prefix = false) => {
  const { tokens, prefix: open } = queryTokens(text)
  return { tokens, prefix: prefix || open }
}
const marked = (segments: readonly Segment[]) =>
  segments.map(({ text, match }) => (match ? `[${text}]` : text)).join('')

describe('highlights', () => {
  it('mark words as they stand in the text', () => {
    assert.equal(marked(highlight('Café, CAFE and cafeteria', [term('cafe')])), '[Café], [CAFE] and cafeteria')
    assert.equal(marked(highlight('Café, CAFE and cafeteria', [term('cafe', true)])), '[Café], [CAFE] and [cafeteria]')
  })

  it('mark a phrase as one piece, punctuation included', () => {
    assert.equal(
      marked(highlight('write to bob@example.com now', [term('bob@example.com')])),
      'write to [bob@example.com] now',
    )
    assert.equal(marked(highlight('bob at example, com', [term('example.com')])), 'bob at [example, com]')
    assert.equal(marked(highlight('bob example com', [term('bob com')])), 'bob example com')
  })

  it('mark parts of words in scripts without spaces', () => {
    assert.equal(marked(highlight('검색엔진에서', [term('엔진')])), '검색[엔진]에서')
    assert.equal(marked(highlight('東京都庁', [term('庁')])), '東京都[庁]')
    assert.equal(marked(highlight('東京都庁', [term('京')])), '東[京]都庁')
    assert.equal(marked(highlight('ｻｰﾊﾞｰです', [term('サーバー')])), '[ｻｰﾊﾞｰ]です')
  })

  it('are plain text, never HTML', () => {
    assert.equal(marked(highlight('<b>bold</b>', [term('bold')])), '<b>[bold]</b>')
  })

  it('follow the plan: not what must be missing, not other fields', () => {
    const { plan } = planQuery(parseQuery('one -two subject:three (four OR from:five)', { now: 0 }), [])
    assert.deepEqual(
      highlightTerms(plan, 'body').map((each) => each.tokens.join()),
      ['one', 'four'],
    )
    assert.deepEqual(
      highlightTerms(plan, 'subject').map((each) => each.tokens.join()),
      ['one', 'three', 'four'],
    )
  })

  it('find in plain text what reading every token finds', () => {
    const word = fc.constantFrom('a', 'ab', 'abc', 'b', 'bc', '1', '2b')
    const gap = fc.constantFrom(' ', '-', '. ', '\n', '@', '', '’', 'é', 'ж', '검', '東京', '\u00a0')
    const text = fc.array(fc.tuple(word, gap), { maxLength: 30 }).map((parts) => parts.flat().join(''))
    const terms = fc.array(fc.tuple(fc.array(word, { minLength: 1, maxLength: 3 }), fc.boolean()), { maxLength: 4 })
    fc.assert(
      fc.property(text, terms, (plain, list) => {
        const wanted = list.map(([tokens, prefix]) => ({ tokens, prefix }))
        // A ligature, far behind, takes the other way.
        const slow = findMatches(`${plain} ﬁ`, wanted)
        assert.deepEqual(findMatches(plain, wanted), slow)
      }),
    )
  })
})

describe('snippets', () => {
  const long = `${'nothing here '.repeat(40)}the red fox and the blue hen ${'and more of that '.repeat(40)}`

  it('show the place with most of the words', () => {
    const text = marked(snippet(`red start ${long}`, [term('red'), term('blue')]))
    assert.match(text, /^….*the \[red\] fox and the \[blue\] hen.*…$/)
    assert.ok(text.length < 180)
  })

  it('are the beginning of the text when nothing matches', () => {
    assert.match(marked(snippet(long, [])), /^nothing here nothing.*…$/)
    assert.equal(marked(snippet('short', [term('x')])), 'short')
    assert.equal(marked(snippet('', [term('x')])), '')
  })

  it('look further when the beginning has nothing', () => {
    assert.match(
      marked(snippet(`${'filler words '.repeat(500)}needle at the end`, [term('needle')])),
      /\[needle\] at the end$/,
    )
  })

  it('are one line, and never half a character', () => {
    assert.equal(marked(snippet('a\r\n\r\n  b\tc', [term('b')])), 'a [b] c')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), fc.constantFrom('a', '검', '𠮷'), (text, word) => {
        const shown = snippet(text, [term(word, true)])
        const whole = shown.map((segment) => segment.text).join('')
        assert.ok(whole.length <= 400)
        assert.equal(whole.isWellFormed(), text.isWellFormed())
      }),
    )
  })
})
