// Every real message reads, its ranges nest, and chunks of any size give the same answer as the whole.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodePartText } from '../../domain/mail/body-text.ts'
import { MailReader, readMail } from '../../domain/mail/read.ts'
import { walkParts } from '../../domain/mail/sections.ts'
import { threadKey } from '../../domain/mail/thread.ts'
import { randomFrom } from '../support/random.ts'
import { corpus, NO_CORPUS } from './corpus.ts'
import { assertSound } from './sound.ts'

test('every message reads into something sound', { skip: NO_CORPUS }, () => {
  for (const { name, raw } of corpus()) {
    const content = readMail(raw)
    assertSound(content, raw.length, name)
    threadKey(content.envelope)
    for (const { part } of walkParts(content.root)) {
      if (part.type.startsWith('text/'))
        assert.ok(decodePartText(raw.subarray(part.bodyStart, part.bodyEnd), part).isWellFormed(), name)
    }
  }
})

test('chunks of any size give what the whole gives', { skip: NO_CORPUS }, () => {
  const random = randomFrom(20260801)
  for (const { name, raw } of corpus()) {
    const whole = readMail(raw)
    for (const longest of raw.length < 6000 ? [1, 7, 300] : [90, 5000]) {
      const reader = new MailReader()
      // One buffer for all chunks, as a socket may do: nothing may be kept by reference.
      const chunk = Buffer.alloc(longest)
      for (let at = 0; at < raw.length; ) {
        const length = raw.copy(chunk, 0, at, at + 1 + random(longest))
        reader.push(chunk.subarray(0, length))
        chunk.fill(0x2d)
        at += length
      }
      assert.deepEqual(reader.end(), whole, `${name} in chunks of at most ${longest}`)
    }
  }
})

test('most real messages have an author, a subject and words', { skip: NO_CORPUS }, () => {
  const read = corpus().map(({ raw }) => readMail(raw))
  const share = (has: (content: (typeof read)[number]) => boolean): number => read.filter(has).length / read.length
  assert.ok(share(({ envelope }) => (envelope.from[0]?.address ?? '') !== '') > 0.97)
  assert.ok(share(({ envelope }) => envelope.subject !== '') > 0.95)
  assert.ok(share(({ envelope }) => envelope.date !== undefined) > 0.95)
  assert.ok(share(({ text }) => text !== '') > 0.95)
  assert.ok(share(({ text }) => !text.includes('\ufffd')) > 0.95)
  assert.ok(share(({ defects }) => defects.length === 0) > 0.95)
})
