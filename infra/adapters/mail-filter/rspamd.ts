// rspamd by HTTP: POST /checkv2 with the message as the body and the envelope in headers, JSON in return.
import { request } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { Judgement, MailFilter, MailToCheck } from '../../../commands/ports/mail-filter.ts'
import type { FilterAction, FilterReason } from '../../../domain/filter/verdict.ts'
import type { Endpoint } from './exchange.ts'

const MAX_ANSWER = 1024 * 1024
const MAX_SYMBOLS = 200
/** rspamd's `add header` begins at 6 by default, our junk at 5. */
const SCALE = 5 / 6

/** What rspamd wants done; 'soft reject' and 'greylist' are for its own greylisting, which ours replaces. */
const ACTIONS: Readonly<Record<string, FilterAction | 'none'>> = {
  'no action': 'none',
  greylist: 'none',
  'soft reject': 'none',
  'add header': 'junk',
  'rewrite subject': 'junk',
  quarantine: 'quarantine',
  discard: 'reject',
  reject: 'reject',
}

export class RspamdFilter implements MailFilter {
  readonly name = 'rspamd'
  readonly #endpoint: Endpoint

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  async check(message: MailToCheck, signal: AbortSignal): Promise<Judgement> {
    const answer: unknown = JSON.parse((await this.#ask(message, signal)).toString('utf8'))
    if (typeof answer !== 'object' || answer === null) throw new Error('rspamd gave no object')
    const { action, score, symbols, error } = answer as Record<string, unknown>
    if (typeof error === 'string') throw new Error(`rspamd: ${error.slice(0, 200)}`)
    const wanted = ACTIONS[String(action)]
    if (wanted === undefined || typeof score !== 'number' || !Number.isFinite(score))
      throw new Error(`rspamd's answer has no action and score that are known: ${String(action).slice(0, 50)}`)
    const found = reasonsOf(symbols, this.name)
    // Its own test pattern is refused without a symbol that has points.
    const bare = { engine: this.name, rule: String(action), score: score * SCALE, text: '' }
    return {
      opinion: {
        engine: this.name,
        score: score * SCALE,
        reasons: found.length === 0 && wanted !== 'none' ? [bare] : found,
        ...(wanted === 'none' ? {} : { action: wanted }),
      },
    }
  }

  #ask(message: MailToCheck, signal: AbortSignal): Promise<Buffer> {
    const { host, port } = this.#endpoint
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          host,
          port,
          method: 'POST',
          path: '/checkv2',
          signal,
          agent: false,
          headers: {
            'content-length': message.size,
            'queue-id': message.intakeId,
            ip: message.remoteAddress,
            ...(message.helo === '' ? {} : { helo: safe(message.helo) }),
            from: safe(message.mailFrom),
            rcpt: message.recipients.map(({ address }) => safe(address)),
          },
        },
        (answer) => {
          const chunks: Buffer[] = []
          let length = 0
          answer.on('data', (chunk: Buffer) => {
            chunks.push(chunk)
            length += chunk.length
            if (length > MAX_ANSWER) asked.destroy(new Error('the answer is too long'))
          })
          answer.on('error', reject)
          answer.on('end', () => {
            if (answer.statusCode === 200) resolve(Buffer.concat(chunks))
            else reject(new Error(`rspamd answered ${answer.statusCode}`))
          })
        },
      )
      asked.on('error', reject)
      asked.on('close', () => reject(new Error('the connection broke')))
      pipeline(message.read(), asked).catch(reject)
    })
  }
}

/** Header values of HTTP are visible ASCII; other addresses go percent-encoded, as rspamd reads them. */
const safe = (text: string): string =>
  text.replace(/[^\x21-\x7e]/g, (letter) => encodeURIComponent(letter.toWellFormed()))

function reasonsOf(symbols: unknown, engine: string): readonly FilterReason[] {
  if (typeof symbols !== 'object' || symbols === null) return []
  return Object.entries(symbols as Record<string, { score?: unknown; description?: unknown } | null>)
    .slice(0, MAX_SYMBOLS)
    .flatMap(([rule, symbol]) => {
      const score = Number(symbol?.score)
      if (!Number.isFinite(score) || score === 0) return []
      return [
        { engine, rule, score: score * SCALE, text: typeof symbol?.description === 'string' ? symbol.description : '' },
      ]
    })
}
