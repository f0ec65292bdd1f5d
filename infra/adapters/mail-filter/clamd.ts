// ClamAV by clamd's INSTREAM (clamd(8)): the message goes over in chunks, the answer is one line.
import type { Judgement, MailFilter, MailToCheck } from '../../../commands/ports/mail-filter.ts'
import { type Endpoint, exchange } from './exchange.ts'

const MAX_ANSWER = 4096

export class ClamdFilter implements MailFilter {
  readonly name = 'clamd'
  readonly #endpoint: Endpoint

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  async check(message: MailToCheck, signal: AbortSignal): Promise<Judgement> {
    const answer = await exchange(this.#endpoint, instream(message), {
      maxBytes: MAX_ANSWER,
      signal,
      complete: (bytes) => bytes.includes(0),
    })
    const text = answer
      .toString('utf8')
      .replace(/\0[\s\S]*$/, '')
      .trim()
    const found = /^stream: (.+) FOUND$/.exec(text)
    if (found)
      return {
        opinion: {
          engine: this.name,
          reasons: [{ engine: this.name, rule: found[1] as string, score: 10, text: `A virus was found: ${found[1]}` }],
          score: 0,
          action: 'quarantine',
          malware: true,
        },
      }
    if (text === 'stream: OK') return { opinion: { engine: this.name, reasons: [] } }
    throw new Error(`clamd said ${JSON.stringify(text.slice(0, 200))}`)
  }
}

async function* instream(message: MailToCheck): AsyncGenerator<Uint8Array | string> {
  yield 'zINSTREAM\0'
  for await (const chunk of message.read()) {
    if (chunk.length === 0) continue
    const length = Buffer.alloc(4)
    length.writeUInt32BE(chunk.length)
    yield length
    yield chunk
  }
  yield Buffer.alloc(4)
}
