// Signatures: every verifier that reads our records believes them, whatever the message, and a rotation changes who signs.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { contextOf } from '../../commands/context.ts'
import { addDomain } from '../../commands/open-account.ts'
import { changeSigningKeys, loadSigningKeys } from '../../commands/signing-keys.ts'
import { recordsFor, zoneText } from '../../domain/delivery/dns-records.ts'
import { activeKeys } from '../../domain/delivery/signing-keys.ts'
import { DomainSigner } from '../../gateways/delivery/dkim.ts'
import { openJournal, testContext } from '../support/journal.ts'

async function withKeys(t: TestContext) {
  const parts = await openJournal(t)
  await addDomain(parts, testContext(), 'example.test')
  const made = await changeSigningKeys(parts, contextOf('test', 'cli'), 'example.test', false)
  assert.ok(made.ok)
  return parts
}

/** Checks the signatures with the records that `domain records` prints. */
async function verdicts(parts: Awaited<ReturnType<typeof withKeys>>, message: Buffer) {
  const loaded = await loadSigningKeys(parts, 'example.test')
  const records = recordsFor('example.test', 'mail.example.test', [...(loaded?.keys.values() ?? [])], 0)
  const { results } = await dkimVerify(message, {
    resolver: async (name: string, type: string) => {
      const found = records.find((record) => record.name === name && record.type === type)
      if (!found) throw Object.assign(new Error(name), { code: 'ENOTFOUND' })
      return [[found.value]]
    },
  })
  return results.map(({ status, algo, signingDomain }) => `${status.result} ${algo} ${signingDomain}`).sort()
}

const MESSAGE = Buffer.from(
  'From: =?utf-8?q?J=C3=BCrgen?= <ann@example.test>\r\nTo: b@elsewhere.test\r\nSubject: Hello\r\nDate: Sun, 01 Mar 2026 09:00:00 +0000\r\nMessage-ID: <m@example.test>\r\n\r\nHello.  \r\n\r\nText \t with blanks.\r\n\r\n\r\n',
)

const sign = (signer: DomainSigner, message: Buffer, mailFrom = 'ann@example.test') =>
  signer.sign(mailFrom, message, message)

describe('DKIM', () => {
  it('signs by both algorithms, and verifies', async (t) => {
    const parts = await withKeys(t)
    const signatures = await sign(new DomainSigner(parts), MESSAGE)
    const signed = Buffer.concat([Buffer.from(signatures), MESSAGE])
    assert.deepEqual(await verdicts(parts, signed), [
      'pass ed25519-sha256 example.test',
      'pass rsa-sha256 example.test',
    ])
    const changed = Buffer.from(signed.toString().replace('Hello.', 'Hallo.'))
    for (const verdict of await verdicts(parts, changed)) assert.doesNotMatch(verdict, /^pass/)
  })

  it('signs a message that comes in pieces as it signs it whole', async (t) => {
    const parts = await withKeys(t)
    const signer = new DomainSigner(parts, () => 1_772_355_600_000)
    const large = Buffer.concat([MESSAGE, Buffer.alloc(3_000_000, 'A line of text that goes on.\r\n')])
    const pieces = async function* () {
      for (let at = 0; at < large.length; at += 65_521) yield large.subarray(at, at + 65_521)
    }
    const whole = await sign(signer, large)
    assert.equal(await signer.sign('ann@example.test', large.subarray(0, 65_536), pieces), whole)
  })

  it('signs for the author, else for the envelope, and for no domain of others', async (t) => {
    const parts = await withKeys(t)
    const signer = new DomainSigner(parts)
    const from = (address: string) => Buffer.from(`From:\r\n <${address}>\r\nSubject: x\r\n\r\nx\r\n`)
    assert.match(await sign(signer, from('a@example.test'), ''), /d=example\.test/)
    assert.match(await sign(signer, from('a@elsewhere.test')), /d=example\.test/)
    assert.equal(await sign(signer, from('a@elsewhere.test'), 'b@elsewhere.test'), '')
    assert.equal(await sign(signer, Buffer.from('no header at all'), ''), '')
  })

  it('rotates: new keys sign, what the old ones signed still verifies', async (t) => {
    const parts = await withKeys(t)
    let now = Date.now()
    const signer = new DomainSigner(parts, () => now)
    const before = Buffer.concat([Buffer.from(await sign(signer, MESSAGE)), MESSAGE])
    const rotated = await changeSigningKeys(parts, contextOf('test', 'cli'), 'example.test', true)
    assert.ok(rotated.ok)
    now += 6_000
    const after = await sign(signer, MESSAGE)
    for (const { selector } of activeKeys(rotated.keys)) assert.match(after, new RegExp(`s=${selector};`))
    assert.equal(rotated.keys.size, 4)
    assert.equal((await verdicts(parts, before)).filter((verdict) => verdict.startsWith('pass')).length, 2)
  })

  it('has keys only for domains of ours, once, and in no other bytes of the log than sealed ones', async (t) => {
    const parts = await withKeys(t)
    const again = await changeSigningKeys(parts, contextOf('test', 'cli'), 'example.test', false)
    assert.ok(again.ok && again.keys.size === 2)
    const other = await changeSigningKeys(parts, contextOf('test', 'cli'), 'elsewhere.test', false)
    assert.ok(!other.ok && other.refusal.code === 'no-such-domain')
    for await (const batch of parts.store.subscribe({})) {
      for (const event of batch.events)
        assert.ok(!Buffer.concat([event.data, event.metadata]).includes('PRIVATE KEY'), event.type)
      if (batch.caughtUp) break
    }
  })

  it('publishes texts that fit into DNS strings', () => {
    assert.equal(zoneText('a'.repeat(600)), `"${'a'.repeat(250)}" "${'a'.repeat(250)}" "${'a'.repeat(100)}"`)
  })
})
