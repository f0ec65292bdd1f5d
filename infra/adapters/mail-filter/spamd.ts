// SpamAssassin by spamd's protocol, REPORT (spamd/PROTOCOL of SpamAssassin): points against a threshold, and a table of rules.
import type { Judgement, MailFilter, MailToCheck } from '../../../commands/ports/mail-filter.ts'
import type { FilterReason } from '../../../domain/filter/verdict.ts'
import { type Endpoint, exchange } from './exchange.ts'

const MAX_ANSWER = 256 * 1024
/** SpamAssassin's own clients do not send larger messages: its rules are slow on them. */
const MAX_MESSAGE = 512 * 1024
const MAX_RULES = 100
/** Where junk begins for us; its points are scaled from its threshold to ours. */
const OUR_THRESHOLD = 5

export class SpamdFilter implements MailFilter {
  readonly name = 'spamassassin'
  readonly #endpoint: Endpoint

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  async check(message: MailToCheck, signal: AbortSignal): Promise<Judgement> {
    if (message.size > MAX_MESSAGE) return { opinion: { engine: this.name, reasons: [] } }
    const answer = await exchange(this.#endpoint, request(message), { maxBytes: MAX_ANSWER, signal, half: true })
    const { head, body } = parts(answer.toString('utf8'))
    const status = /^SPAMD\/\d[\d.]* (\d+) (\S+)/.exec(head)
    if (status?.[1] !== '0') throw new Error(`spamd said ${JSON.stringify(head.slice(0, 200))}`)
    const spam = /^Spam: *(?:True|False|Yes|No) *; *(-?[\d.]+) *\/ *(-?[\d.]+)/im.exec(head)
    const points = Number(spam?.[1])
    const threshold = Number(spam?.[2])
    if (!Number.isFinite(points) || !(threshold > 0)) throw new Error('spamd gave no score')
    const scale = OUR_THRESHOLD / threshold
    return { opinion: { engine: this.name, score: points * scale, reasons: rulesOf(body, this.name, scale) } }
  }
}

async function* request(message: MailToCheck): AsyncGenerator<Uint8Array | string> {
  yield `REPORT SPAMC/1.5\r\nContent-length: ${message.size}\r\n\r\n`
  yield* message.read()
}

function parts(answer: string): { head: string; body: string } {
  const end = answer.indexOf('\r\n\r\n')
  return end < 0 ? { head: answer, body: '' } : { head: answer.slice(0, end), body: answer.slice(end + 4) }
}

/** ` 1.2 RULE_NAME    What it means`, continued on lines that begin with blanks. */
function rulesOf(body: string, engine: string, scale: number): readonly FilterReason[] {
  const rules: FilterReason[] = []
  for (const line of body.split('\n')) {
    const rule = /^\s{0,3}\*?\s{0,3}(-?\d{1,4}(?:\.\d+)?)\s{1,4}([A-Z][A-Z0-9_]{1,60})\s+(.*)$/.exec(line.trimEnd())
    if (rule === null || rules.length >= MAX_RULES) continue
    rules.push({ engine, rule: rule[2] as string, score: Number(rule[1]) * scale, text: (rule[3] as string).trim() })
  }
  return rules
}
