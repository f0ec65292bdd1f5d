// Checkpoints as text: the signed note of Go's own documentation, strictness about everything else.
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import test from 'node:test'
import {
  checkNote,
  formatCheckpoint,
  formatKey,
  formatNote,
  MalformedNote,
  parseCheckpoint,
  parseKey,
  parseNote,
} from '../../domain/audit/checkpoint.ts'
import { leafOf } from '../../domain/audit/leaf.ts'
import { newSigner, readSigner, verifyEd25519 } from '../../infra/audit/signing-key.ts'

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer')

/** The example of golang.org/x/mod/sumdb/note. */
const KEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const NOTE = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`

test('a note that another implementation signed is accepted, one with a changed letter is not', () => {
  const key = parseKey(sha256, KEY)
  assert.equal(formatKey(sha256, key), KEY)
  assert.equal(checkNote(sha256, verifyEd25519, parseNote(NOTE), key), 'signed')
  assert.equal(checkNote(sha256, verifyEd25519, parseNote(NOTE.replace('answer', 'Answer')), key), 'wrong')
  const other = { ...key, name: 'SomebodyElse' }
  assert.equal(checkNote(sha256, verifyEd25519, parseNote(NOTE), other), 'unsigned')
})

test('what is signed here reads back as it was written', () => {
  const signer = readSigner(newSigner('mail.example/log').text)
  const head = { origin: 'mail.example/log', size: 12, root: sha256(Buffer.from('x')), extensions: ['more'] }
  const note = parseNote(signer.sign(formatCheckpoint(head)))
  assert.deepEqual(parseCheckpoint(note.text), { ...head, root: new Uint8Array(head.root) })
  assert.equal(checkNote(sha256, verifyEd25519, note, signer.key), 'signed')
  assert.equal(formatNote(note.text, note.signatures), signer.sign(formatCheckpoint(head)))
})

test('everything else is refused with its reason', () => {
  const root = Buffer.alloc(32).toString('base64')
  const texts: readonly [string, RegExp][] = [
    ['', /newline/],
    ['\n', /origin/],
    [`log\n01\n${root}\n`, /decimal/],
    [`log\n-1\n${root}\n`, /decimal/],
    [`log\n99999999999999999999\n${root}\n`, /decimal/],
    ['log\n1\nAAAA\n', /3 bytes/],
    [`log\n1\n${root.replace('=', '')}\n`, /base64/],
    [`log\n1\n${root}\n\n`, /empty line/],
  ]
  for (const [text, reason] of texts)
    assert.throws(() => parseCheckpoint(text), { name: 'MalformedNote', message: reason })
  const notes: readonly [string, RegExp][] = [
    ['log\n', /empty line/],
    ['log\n\n', /no signature/],
    ['log\n\n- name AAAA\n', /reads/],
    ['log\n\n— name AA\n', /base64/],
    ['log\n\n— name AAAA\n', /too short/],
    ['log\r\n\n— name AAAA\n', /control/],
    ['log\n\n— name AAAAAAAA', /end/],
  ]
  for (const [text, reason] of notes) assert.throws(() => parseNote(text), { name: 'MalformedNote', message: reason })
  for (const key of ['', 'a+b', KEY.replace('c74', 'c75'), KEY.replace('Peter', 'Petra')])
    assert.throws(() => parseKey(sha256, key), MalformedNote)
})

test('a leaf depends on every field of the event and on nothing else', () => {
  const entry = {
    stream: 'mailbox-a',
    revision: 3n,
    id: '6FA459EA-EE8A-3CA4-894E-DB77E160355E',
    type: 'MessageReceived',
    metadata: Buffer.from('{"v":1}'),
    data: Buffer.from([1, 2, 3]),
  }
  const leaf = Buffer.from(leafOf(sha256, entry)).toString('hex')
  // Written out by hand from the definition, so that a change of it cannot pass unseen.
  const written = Buffer.concat([
    Buffer.from([0, 1]),
    ...['mailbox-a'].map(sized),
    Buffer.from('0000000000000003', 'hex'),
    ...['6fa459ea-ee8a-3ca4-894e-db77e160355e', 'MessageReceived', '{"v":1}', '\u0001\u0002\u0003'].map(sized),
  ])
  assert.equal(leaf, hash('sha256', written, 'hex'))
  const others = [
    { ...entry, stream: 'mailbox-b' },
    { ...entry, revision: 4n },
    { ...entry, id: '7fa459ea-ee8a-3ca4-894e-db77e160355e' },
    { ...entry, type: 'MessageAppended' },
    { ...entry, metadata: Buffer.from('{"v":2}') },
    { ...entry, data: Buffer.from([1, 2, 4]) },
    { ...entry, metadata: Buffer.from('{"v":1}\u0001'), data: Buffer.from([2, 3]) },
  ]
  for (const other of others) assert.notEqual(Buffer.from(leafOf(sha256, other)).toString('hex'), leaf)
})

function sized(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
