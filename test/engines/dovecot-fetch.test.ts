// ENVELOPE, BODYSTRUCTURE, BODY[], partial and BINARY of every sample message, to the byte, against Dovecot 2.3. Where the two differ, the
// cause is named, and counted: all of them are malformed mail, or what the RFC leaves open.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { corpus, NO_CORPUS } from '../mime/corpus.ts'
import { dovecot } from '../support/dovecot.ts'
import { ImapClient } from '../support/imap-client.ts'
import { fetched, type Value } from '../support/imap-values.ts'
import { MailAccess, PASSWORD } from '../support/mail-access.ts'
import { MALFORMED } from './dovecot-differences.ts'

const WHOLE = [
  'RFC822.SIZE',
  'ENVELOPE',
  'BODY',
  'BODYSTRUCTURE',
  'BODY.PEEK[]',
  'BODY.PEEK[HEADER]',
  'BODY.PEEK[TEXT]',
  'BODY.PEEK[]<7.300>',
  'BODY.PEEK[TEXT]<0.1>',
  'BODY.PEEK[HEADER.FIELDS (Subject To Received)]',
  'BODY.PEEK[HEADER.FIELDS.NOT (Received Date)]',
]

/** Of one FETCH. */
const ITEMS = 100

interface Part {
  readonly number: string
  readonly isMessage: boolean
  readonly isMultipart: boolean
}

/** Part numbers of a BODYSTRUCTURE (RFC 9051 §6.4.5.1). */
function parts(structure: Value, prefix = '', top = true): readonly Part[] {
  if (!Array.isArray(structure)) return []
  const children = structure.slice(
    0,
    structure.findIndex((each) => !Array.isArray(each)),
  )
  if (children.length > 0)
    return children.flatMap((child, i) => {
      const number = `${prefix}${i + 1}`
      return [partOf(child, number), ...parts(child, `${number}.`, false)]
    })
  if (isMessage(structure)) {
    const inner = structure[8] as Value
    return Array.isArray(inner) && Array.isArray(inner[0])
      ? parts(inner, prefix, false)
      : [partOf(inner ?? null, `${prefix}1`)]
  }
  return top ? [partOf(structure, '1')] : []
}

const isMessage = (structure: Value): boolean =>
  Array.isArray(structure) && `${structure[0]}/${structure[1]}`.toLowerCase() === 'message/rfc822'

const partOf = (structure: Value, number: string): Part => ({
  number,
  isMessage: isMessage(structure),
  isMultipart: Array.isArray(structure) && Array.isArray(structure[0]),
})

// ── Causes ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

type Change = (value: Value) => Value
const everywhere =
  (change: (text: string) => string): Change =>
  (value) =>
    typeof value === 'string' ? change(value) : Array.isArray(value) ? value.map(everywhere(change)) : value

/** An address is four strings or NILs. */
const addresses =
  (change: (address: readonly (string | null)[]) => Value): Change =>
  (value) => {
    if (!Array.isArray(value)) return value
    const strings = value.every((each) => each === null || typeof each === 'string')
    return value.length === 4 && strings ? change(value as (string | null)[]) : value.map(addresses(change))
  }

/** Ways to write the same, each with why. Tried one after the other, each on top of the ones before. */
const SAME: readonly (readonly [cause: string, change: Change])[] = [
  // Dovecot spells the types that it has a short form for in lowercase; we repeat what was written.
  ['case of types and charsets', everywhere((text) => text.toLowerCase())],
  // Dovecot makes one blank of several; unfolding takes away line ends alone (RFC 5322 §2.2.3).
  ['blanks in a row', everywhere((text) => text.replace(/[ \t\r\n]+/g, ' ').trim())],
  // Dovecot invents MISSING_DOMAIN and MISSING_MAILBOX; what is not there is empty here.
  ['addresses without a domain', everywhere((text) => text.replace(/^missing_(?:domain|mailbox)$/, ''))],
  // A bare word is a name to us and a mailbox to Dovecot; it is no address to anybody.
  [
    'words that are no addresses',
    addresses(([name = null, , mailbox = null, host = null]) => [
      name === '' || host !== '' ? name : `${name ?? ''}${mailbox ?? ''}`,
      null,
      host === '' ? '' : mailbox,
      host,
    ]),
  ],
]

function sameBut(ours: Value, theirs: Value): string | undefined {
  let [a, b] = [ours, theirs]
  for (const [cause, change] of SAME) {
    a = change(a)
    b = change(b)
    if (JSON.stringify(a) === JSON.stringify(b)) return cause
  }
  return undefined
}

const malformed = new Map(Object.entries(MALFORMED).flatMap(([cause, names]) => names.map((name) => [name, cause])))

function causeOf(name: string, item: string, ours: Value, theirs: Value): string | undefined {
  const same = sameBut(ours, theirs)
  if (same !== undefined && /^(ENVELOPE|BODY|BODYSTRUCTURE)$/.test(item)) return same
  return malformed.get(name)
}

/** BINARY.SIZE is the length of BINARY (RFC 3516 §4.3): ours is, Dovecot's often is that of other line ends. */
function wrongSize(
  item: string,
  ours: ReadonlyMap<string, Value>,
  theirs: ReadonlyMap<string, Value>,
): string | undefined {
  const body = /^BINARY\.SIZE(.*)$/.exec(item)?.[1]
  if (body === undefined) return undefined
  const length = (answers: ReadonlyMap<string, Value>) =>
    `${(answers.get(`BINARY${body}`) as string | null)?.length ?? 0}`
  const size = (answers: ReadonlyMap<string, Value>) => (answers.get(item) as { atom: string }).atom
  return size(ours) === length(ours) && size(theirs) !== length(theirs)
    ? 'sizes that are not those of the answer'
    : undefined
}

/** Answers that differ, of more than 32,000. */
const COUNTS = {
  'NUL bytes, which Dovecot takes away and we keep': 5,
  'a message inside, whose own encodings Dovecot takes off as well': 2,
  'address lists that are none: what is left of them is a name here, MISSING_MAILBOX or SYNTAX_ERROR there': 29,
  'addresses without a domain': 25,
  'an empty line that ends a header and begins a delimiter: it is in both here, RFC 2046 §5.1.1 leaves it open': 6,
  'blanks in a row': 134,
  'case of types and charsets': 246,
  'encodings that Dovecot will not decode': 41,
  'encodings that nobody decodes': 2,
  'headers that end at a line of blanks, or without an empty line: the body begins there here': 41,
  'multiparts without a boundary, or with headers that break off: text here, an empty multipart there': 231,
  'sizes that are not those of the answer': 87,
  'the line end before a delimiter belongs to the delimiter (RFC 2046 §5.1.1), also behind an inner one': 54,
  'types and parameters that are malformed, fields given twice, MESSAGE/GLOBAL (an inner message to RFC 9051)': 22,
  'words that are no addresses': 18,
}

describe('FETCH of every sample message', { skip: NO_CORPUS }, () => {
  it('is as Dovecot has it, or differs for a reason', async (t) => {
    const access = await MailAccess.start()
    t.after(() => access.close())
    const ours = await ImapClient.signedIn(await access.imap(t), await access.person(), PASSWORD)
    t.after(() => ours.close())
    const open = dovecot(t)
    let theirs = await open()
    const mails = corpus()
    for (const { raw } of mails) {
      // Mail comes by SMTP with CRLF; Dovecot turns bare LF into it, we keep what came.
      const text = raw.toString('latin1').replace(/\r?\n/g, '\r\n')
      for (const client of [ours, theirs]) await client.ok('APPEND INBOX {}', text)
    }
    for (const client of [ours, theirs]) await client.ok('SELECT INBOX')

    const ask = async (client: ImapClient, number: number, items: readonly string[]) => {
      const reply = await client.send(`FETCH ${number} (${items.join(' ')})`)
      const line = reply.lines.find((each) => each.startsWith(`* ${number} FETCH (`))
      return reply.status === 'OK' && line ? fetched(line) : undefined
    }
    const counts = new Map<string, number>()
    const unexplained: string[] = []
    let compared = 0
    const compare = (name: string, mine: ReadonlyMap<string, Value>, other: ReadonlyMap<string, Value>) => {
      for (const [item, value] of mine) {
        compared++
        const their = other.get(item) ?? null
        if (JSON.stringify(value) === JSON.stringify(their)) continue
        const cause = causeOf(name, item, value, their) ?? wrongSize(item, mine, other)
        if (cause === undefined)
          unexplained.push(`${name} ${item}\n  ours   ${cut(value, their)}\n  theirs ${cut(their, value)}`)
        else counts.set(cause, (counts.get(cause) ?? 0) + 1)
      }
    }
    for (const [i, { name }] of mails.entries()) {
      const mine = await ask(ours, i + 1, WHOLE)
      const other = await ask(theirs, i + 1, WHOLE)
      assert.ok(mine && other, name)
      compare(name, mine, other)
      const all = parts(mine.get('BODYSTRUCTURE') ?? null)
      const items = all.flatMap(({ number, isMessage: message }) => [
        `BODY.PEEK[${number}]`,
        `BODY.PEEK[${number}.MIME]`,
        `BODY.PEEK[${number}]<3.50>`,
        ...(message ? [`BODY.PEEK[${number}.HEADER]`, `BODY.PEEK[${number}.TEXT]`] : []),
      ])
      for (let from = 0; from < items.length; from += ITEMS) {
        const some = items.slice(from, from + ITEMS)
        const [myParts, theirParts] = [await ask(ours, i + 1, some), await ask(theirs, i + 1, some)]
        assert.ok(myParts && theirParts, name)
        compare(name, myParts, theirParts)
      }
      for (const { number } of all.filter(({ isMessage: message, isMultipart }) => !message && !isMultipart)) {
        const binary = [`BINARY.PEEK[${number}]`, `BINARY.SIZE[${number}]`, `BINARY.PEEK[${number}]<1.20>`]
        const decoded = await ask(ours, i + 1, binary)
        const theirDecoded = await ask(theirs, i + 1, binary)
        if (theirDecoded === undefined) {
          // Where base64 ends in the middle Dovecot refuses, or hangs up: we answer what there is.
          const cause = decoded ? 'encodings that Dovecot will not decode' : 'encodings that nobody decodes'
          counts.set(cause, (counts.get(cause) ?? 0) + 1)
          if ((await theirs.send('NOOP')).status !== 'OK') {
            theirs = await open()
            await theirs.ok('SELECT INBOX')
          }
        } else if (decoded) compare(name, decoded, theirDecoded)
        else unexplained.push(`${name} ${number}: refused here`)
      }
    }
    assert.deepEqual(unexplained.slice(0, 20), [])
    t.diagnostic(`${compared} answers of ${mails.length} messages compared`)
    assert.deepEqual(Object.fromEntries([...counts].sort()), COUNTS)
  })
})

/** Around the first difference. */
function cut(value: Value, other: Value): string {
  const [a, b] = [JSON.stringify(value), JSON.stringify(other)]
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  return a.slice(Math.max(0, at - 60), at + 120)
}
