import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { indexText, MAX_TOKEN_LENGTH, MAX_TOKENS, queryTokens, tokenSpans } from '../../projections/search/analyzer.ts'

describe('the analyzer', () => {
  const cases: readonly (readonly [what: string, text: string, tokens: string])[] = [
    ['words and numbers', 'Hello, World! 3.14', 'hello world 3 14'],
    ['addresses and hosts as runs of words', 'alice@Example.com', 'alice example com'],
    ['contractions as runs of words', 'don’t l’été', 'don t l ete'],
    ['accents away, in any form', 'Café Cafe\u0301 ÅNGSTRÖM', 'cafe cafe angstrom'],
    ['letters that Unicode does not decompose', 'Łódź Straße Øre Ærø œuvre', 'lodz strasse ore aero oeuvre'],
    ['compatibility forms', 'ﬁne Ⅷ Ｆｕｌｌ １２', 'fine viii full 12'],
    ['Greek, final sigma too', 'Σίσυφος', 'σισυφοσ'],
    ['Turkish dotted and dotless i', 'İstanbul ISTANBUL ısı', 'istanbul istanbul isi'],
    ['Cyrillic', 'Ёлка Й', 'елка и'],
    ['Arabic without points and stretches', 'السَّلامُ مـــرحبا', 'السلام مرحبا'],
    ['Hebrew without points', 'שָׁלוֹם', 'שלום'],
    ['Hindi with its vowel signs', 'हिन्दी', 'हिन्दी'],
    ['Hangul inside words', '검색어 KT에서', '검색 색어 어 kt 에서 서'],
    ['decomposed Hangul', '한글'.normalize('NFD'), '한글 글'],
    ['Han, kana and half-width kana', '東京へ ｶﾞｷﾞ', '東京 京へ へ ガギ ギ'],
    ['a voiced mark apart', 'か\u3099く', 'がく く'],
    ['Thai', 'ขาว', 'ขา าว ว'],
    ['characters beyond 16 bits', '𠮷野 𝒳', '𠮷野 野 x'],
    ['soft hyphens and joiners inside words', 'co\u00adop\u200dera\ufefftion', 'cooperation'],
    ['zero-width spaces between words', 'a\u200bb', 'a b'],
    ['symbols and emoji as nothing', '→ ★ 😀 §', ''],
    ['half a surrogate pair as nothing', 'a\ud800b \udc00', 'a b'],
  ]
  for (const [what, text, tokens] of cases) {
    it(`reads ${what}`, () => assert.equal(indexText(text), tokens))
  }

  it('gives queries for parts of words an open end', () => {
    assert.deepEqual(queryTokens('검색'), { tokens: ['검색'], prefix: false })
    assert.deepEqual(queryTokens('검'), { tokens: ['검'], prefix: true })
    assert.deepEqual(queryTokens('검색 엔진'), { tokens: ['검색', '색', '엔진'], prefix: false })
    assert.deepEqual(queryTokens('第3回'), { tokens: ['第', '3', '回'], prefix: true })
    assert.deepEqual(queryTokens('word'), { tokens: ['word'], prefix: false })
    assert.deepEqual(queryTokens('…'), { tokens: [], prefix: false })
  })

  it('cuts long words and stops at the most tokens that a text may have', () => {
    assert.equal(indexText('x'.repeat(1000)).length, MAX_TOKEN_LENGTH)
    assert.equal(indexText('é'.repeat(1000)).length, MAX_TOKEN_LENGTH)
    for (const word of ['a ', 'é ', '검색 ', '색', '검a']) {
      const count = indexText(word.repeat(MAX_TOKENS * 2)).split(' ').length
      assert.ok(count <= MAX_TOKENS && count > MAX_TOKENS - 3, `${word}: ${count}`)
    }
  })

  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.string({ unit: 'grapheme', maxLength: 200 }),
    fc
      .array(fc.constantFrom('a', 'é', '검', '색', 'ｶ', 'ﾞ', ' ', '\u0301', '\u1100', '\u1161', '𠮷', '-'), {
        maxLength: 60,
      })
      .map((parts) => parts.join('')),
  )

  it('gives the same tokens with places as without, in order, inside the text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const spans = tokenSpans(text)
        assert.equal(spans.map((span) => span.token).join(' '), indexText(text))
        let before = 0
        for (const { token, start, end } of spans) {
          assert.ok(token.length > 0 && token.length <= MAX_TOKEN_LENGTH)
          assert.ok(start >= before && start < end && end <= text.length)
          before = start
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('writes nothing but lowercase letters, digits and what is not ASCII, and reads its own words back', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        for (const token of indexText(text).split(' ')) {
          assert.match(token, /^[a-z0-9\u0080-\u{10ffff}]*$/u)
          // Field marks of an engine must not collide.
          assert.doesNotMatch(token, /[À-Ä]/)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('does not mind how composed its text is', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('é', 'ü', '각', '가', 'が', 'x', ' '), maxLength: 30 }), (text) => {
        assert.equal(indexText(text.normalize('NFD')), indexText(text))
      }),
    )
  })

  it('reads 20 MB of text a second or more', () => {
    const text = 'The quick brown fox jumps over the lazy dog, said bob@example.com at 10:30. '.repeat(300)
    const best = (sample: string): number => {
      let least = Number.POSITIVE_INFINITY
      for (let i = 0; i < 30; i++) {
        const began = performance.now()
        indexText(sample)
        least = Math.min(least, performance.now() - began)
      }
      return Buffer.byteLength(sample) / 1000 / least
    }
    assert.ok(best(text) > 20)
    assert.ok(best(text.replaceAll(',', '’')) > 10)
  })
})
