// What every mail filter promises, whatever it asks: an opinion of a message or an error, in bounded time and memory.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { MailFilter, MailToCheck } from '../../commands/ports/mail-filter.ts'
import { factsOf } from '../../domain/filter/signals.ts'
import { decideVerdict, MAX_REASONS } from '../../domain/filter/verdict.ts'
import { readMail } from '../../domain/mail/read.ts'

export const GTUBE_MESSAGE =
  'From: Sender <x@elsewhere.test>\r\nTo: ann@example.test\r\nMessage-ID: <g@elsewhere.test>\r\nDate: Sun, 01 Mar 2026 09:30:05 +0000\r\nSubject: Test\r\n\r\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n'
export const EICAR_MESSAGE =
  'From: Kim <kim@elsewhere.test>\r\nTo: Ann <ann@example.test>\r\nMessage-ID: <e@elsewhere.test>\r\nDate: Sun, 01 Mar 2026 09:30:05 +0000\r\nSubject: Test\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=eicar.com\r\nContent-Transfer-Encoding: base64\r\n\r\n' +
  `${Buffer.from('X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*').toString('base64')}\r\n`
export const HAM_MESSAGE =
  'From: Kim <kim@elsewhere.test>\r\nTo: Ann <ann@example.test>\r\nMessage-ID: <h@elsewhere.test>\r\nDate: Sun, 01 Mar 2026 09:30:05 +0000\r\nSubject: Lunch on Friday\r\n\r\nShall we meet at noon by the fountain?\r\n'

export function messageOf(raw: string | Buffer): MailToCheck {
  const bytes = Buffer.from(raw)
  const mail = readMail(bytes)
  return {
    intakeId: 'agraf67tb5y6zkxp3jnke5zwwm',
    mailFrom: 'x@elsewhere.test',
    recipients: [{ accountId: 'a', address: 'ann@example.test' }],
    remoteAddress: '192.0.2.1',
    helo: 'mx.elsewhere.test',
    at: Date.UTC(2026, 2, 1),
    mail,
    facts: factsOf(bytes, mail),
    size: bytes.length,
    beginning: bytes,
    async *read() {
      for (let at = 0; at < bytes.length; at += 4096) yield bytes.subarray(at, at + 4096)
    },
  }
}

export const verdictOf = async (filter: MailFilter, raw: string | Buffer, ms = 20_000) => {
  const { opinion } = await filter.check(messageOf(raw), AbortSignal.timeout(ms))
  return decideVerdict([opinion], { junk: 5, reject: 20 })
}

/** `spam` and `virus` are messages that the filter must know; undefined where it looks for something else. */
export function mailFilterContract(
  name: string,
  open: (t: TestContext) => Promise<MailFilter> | MailFilter,
  knows: { readonly spam?: string; readonly virus?: string },
): void {
  describe(`mail filter: ${name}`, () => {
    it('lets ordinary mail through', async (t) => {
      const verdict = await verdictOf(await open(t), HAM_MESSAGE)
      assert.equal(verdict.action, 'deliver', JSON.stringify(verdict))
      assert.equal(verdict.malware, undefined)
    })
    it('knows what it is for, and says why', async (t) => {
      const filter = await open(t)
      if (knows.spam !== undefined) {
        const verdict = await verdictOf(filter, knows.spam)
        assert.ok(['junk', 'reject'].includes(verdict.action), JSON.stringify(verdict))
        assert.ok(verdict.reasons.length > 0 && verdict.reasons.length <= MAX_REASONS)
        assert.ok(verdict.reasons.every((reason) => reason.engine === filter.name && reason.rule !== ''))
      }
      if (knows.virus !== undefined) {
        const verdict = await verdictOf(filter, knows.virus)
        assert.deepEqual([verdict.action, verdict.malware], ['quarantine', true], JSON.stringify(verdict))
      }
    })
    it('takes strange and large messages', async (t) => {
      const filter = await open(t)
      for (const raw of [
        '',
        '\r\n',
        'no header at all',
        `Subject: x\r\n\r\n${'line\r\n'.repeat(200_000)}`,
        Buffer.alloc(5000, 0xff),
      ]) {
        const { opinion } = await filter.check(messageOf(raw), AbortSignal.timeout(20_000))
        assert.equal(opinion.engine, filter.name)
      }
    })
    it('judges several messages at once, each by itself', async (t) => {
      const filter = await open(t)
      const bad = knows.spam ?? knows.virus ?? HAM_MESSAGE
      const verdicts = await Promise.all([HAM_MESSAGE, bad, HAM_MESSAGE, bad].map((raw) => verdictOf(filter, raw)))
      assert.deepEqual(
        verdicts.map(({ action }) => action === 'deliver'),
        [true, bad === HAM_MESSAGE, true, bad === HAM_MESSAGE],
      )
    })
  })
}
