// Ids, flags and the words of the log.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { derivedId, eventId, newCommandId, newId } from '../../commands/identity.ts'
import { STREAM_NAME } from '../../commands/ports/event-store.ts'
import { EVENT_TYPES } from '../../domain/events.ts'
import { decodeId, encodeId } from '../../domain/ids.ts'
import {
  accountOfStream,
  accountStream,
  addressStream,
  auditStream,
  intakeStream,
  isRedacted,
  mailboxStream,
  submissionStream,
  uidOf,
} from '../../domain/log.ts'
import { normalizeFlag } from '../../domain/mail/flags.ts'

describe('ids', () => {
  it('are 26 letters and digits for any 16 bytes, and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const id = encodeId(bytes)
        assert.match(id, /^[a-z2-7]{26}$/)
        assert.deepEqual(decodeId(id), bytes)
      }),
      { seed: 1 },
    )
    assert.equal(encodeId(new Uint8Array(16)), 'a'.repeat(26))
    assert.equal(encodeId(new Uint8Array(16).fill(255)), `${'7'.repeat(25)}4`)
  })
  it('decode only what encode makes', () => {
    for (const text of [
      '',
      'a'.repeat(25),
      'a'.repeat(27),
      'A'.repeat(26),
      `${'a'.repeat(25)}1`,
      `${'a'.repeat(25)}b`,
      '!'.repeat(26),
    ])
      assert.equal(decodeId(text), undefined, text)
  })
  it('made later sort later by their bytes, to the millisecond', () => {
    const first = newId()
    const start = Date.now()
    while (Date.now() === start);
    assert.ok(Buffer.compare(Buffer.from(decodeId(newId()) ?? []), Buffer.from(decodeId(first) ?? [])) > 0)
    assert.equal(new Set(Array.from({ length: 5000 }, newId)).size, 5000)
  })
  it('that are derived are the same for the same parts and no others', () => {
    assert.equal(derivedId('a', 'b'), derivedId('a', 'b'))
    assert.notEqual(derivedId('a', 'b'), derivedId('ab'))
    assert.notEqual(derivedId('a', 'b'), derivedId('b', 'a'))
  })
  it('of events are UUIDv5 of the command and the index; of commands UUIDv7', () => {
    assert.match(eventId('c', 0), /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.equal(eventId('c', 0), eventId('c', 0))
    assert.notEqual(eventId('c', 0), eventId('c', 1))
    assert.match(newCommandId(), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})

describe('flags', () => {
  it('have one spelling', () => {
    assert.equal(normalizeFlag('\\Seen'), '\\seen')
    assert.equal(normalizeFlag('$Forwarded'), '$forwarded')
    assert.equal(normalizeFlag('x'.repeat(100)), 'x'.repeat(100))
  })
  it('are refused where RFC 9051 has no such flag', () => {
    const wrong = [
      '',
      '\\Recent',
      '\\',
      '\\*',
      'two words',
      'a(',
      'a)',
      'a{',
      '%',
      '*',
      '"',
      'a\\b',
      'a]',
      'é',
      '\u0007',
      'x'.repeat(101),
    ]
    for (const flag of wrong) assert.equal(normalizeFlag(flag), undefined, flag)
  })
  it('normalise to themselves', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 120 }), (text) => {
        const flag = normalizeFlag(text)
        if (flag !== undefined) assert.equal(normalizeFlag(flag), flag)
      }),
      { seed: 2, numRuns: 500 },
    )
  })
})

describe('streams', () => {
  it('have names that every engine can hold', () => {
    const id = newId()
    for (const name of [
      mailboxStream(id),
      accountStream(id),
      addressStream('0'.repeat(40)),
      submissionStream(id),
      intakeStream('20260301', 15),
      auditStream,
    ])
      assert.match(name, STREAM_NAME)
  })
  it('tell whose they are', () => {
    assert.equal(accountOfStream(mailboxStream('x')), 'x')
    assert.equal(accountOfStream(accountStream('x')), 'x')
    assert.equal(accountOfStream(submissionStream('x')), undefined)
    assert.equal(accountOfStream(auditStream), undefined)
  })
  it('number UIDs from 1', () => {
    assert.equal(uidOf(0n), 1)
    assert.equal(uidOf(4_294_967_294n), 4_294_967_295)
  })
  it('know a redacted event', () => {
    assert.equal(isRedacted({ type: 'MessageReceived' }), false)
    assert.equal(isRedacted({ type: 'MessageReceived', redacted: true } as { type: string }), true)
  })
  it('hold event types of one name each', () => {
    assert.equal(new Set(EVENT_TYPES).size, EVENT_TYPES.length)
    for (const type of EVENT_TYPES) assert.match(type, /^[A-Z][A-Za-z]+$/)
  })
})
