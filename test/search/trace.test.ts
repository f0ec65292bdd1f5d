import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { indexText } from '../../projections/search/analyzer.ts'
import { encodeTrace, traceHas, tracePattern } from '../../projections/search/trace.ts'
import { FUZZ_WORDS } from '../contract/search.ts'

const words = { subject: 'red green', from: 'blue', to: '', cc: '', filename: '', body: 'green blue red' }

describe('traces', () => {
  it('know which words stand side by side, and in which field', () => {
    const trace = encodeTrace(words)
    const has = (text: string, fields: Parameters<typeof traceHas>[2] = null) =>
      traceHas(trace, tracePattern(text.split(' '), false), fields)
    assert.equal(has('red green'), true)
    assert.equal(has('green blue red'), true)
    assert.equal(has('blue red'), true)
    assert.equal(has('red blue'), false)
    assert.equal(has('green blue', ['subject']), false)
    assert.equal(has('red green', ['subject']), true)
    assert.equal(has('red green', ['from', 'to']), false)
  })

  it('take one byte for a token and one for the end of a field', () => {
    assert.equal(encodeTrace(words).length, 6 + 6)
    const long = { ...words, body: 'word '.repeat(50_000).trim() }
    assert.equal(encodeTrace(long).length, 3 + 6 + 50_000)
  })

  it('keep the words of the contract’s fuzzing apart', () => {
    const tokens = new Set(FUZZ_WORDS.flatMap((word) => indexText(word).split(' ')))
    const bytes = new Set([...tokens].map((token) => tracePattern([token], false)[0]))
    assert.equal(bytes.size, tokens.size)
  })
})
