// What another server's answer means: reply codes (RFC 5321 §4.2), enhanced status codes (RFC 3463, 5248), greylisting.

export interface Reply {
  readonly code: number
  /** Enhanced status code; made from the reply code where the answer carries none. */
  readonly status: string
  /** All of it on one line, code and status included. */
  readonly text: string
  readonly meaning: 'accepted' | 'temporary' | 'permanent'
  readonly greylisted: boolean
}

/** Words that greylisting servers use. */
const GREYLISTING =
  /gr[ea]y[\s-]?list|try again (?:in|after) \d+ (?:sec|min)|temporarily (?:deferred|delayed).*(?:first|new) /i

/** Reads a reply of one or more lines. Total: text that is no reply is a temporary failure. */
export function readReply(raw: string): Reply {
  const lines = raw.slice(0, 8_000).split(/\r?\n/)
  const code = Number(/^([2-5]\d\d)(?:[ -]|$)/.exec(lines.at(-1) ?? '')?.[1] ?? 0)
  const found = lines.map((line) => /^\d{3}[ -]([245])\.(\d{1,3})\.(\d{1,3})(?:\s|$)/.exec(line)).find(Boolean)
  // The class of a status that contradicts its code is wrong: the code decides (RFC 5248 §2.1).
  const kind = code === 0 ? '4' : String(code)[0]
  const status = found && found[1] === kind ? `${found[1]}.${Number(found[2])}.${Number(found[3])}` : meansOf(code)
  const words = lines.map((line, i) => (i === 0 ? line : line.replace(/^\d{3}[ -](?:[245]\.\d{1,3}\.\d{1,3} )?/, '')))
  const text = words.join(' ').replace(/\s+/g, ' ').trim()
  const meaning = code >= 200 && code < 400 ? 'accepted' : code >= 500 ? 'permanent' : 'temporary'
  const greylisted =
    meaning === 'temporary' &&
    (GREYLISTING.test(text) || ((code === 450 || code === 451) && status === '4.7.1' && /later|again|wait/i.test(text)))
  return { code, status, text, meaning, greylisted }
}

/** The status that a bare reply code stands for. */
function meansOf(code: number): string {
  switch (code) {
    case 421:
      return '4.3.2'
    case 450:
      return '4.2.0'
    case 451:
      return '4.3.0'
    case 452:
      return '4.3.1'
    case 454:
      return '4.7.0'
    case 500:
    case 501:
    case 502:
    case 503:
    case 504:
      return '5.5.0'
    case 550:
      return '5.1.1'
    case 551:
      return '5.1.6'
    case 552:
      return '5.2.2'
    case 553:
      return '5.1.3'
    case 556:
      return '5.1.10'
    default:
      return code >= 500 ? '5.0.0' : code >= 200 && code < 400 ? '2.0.0' : '4.0.0'
  }
}

/** Reply codes that refuse the host and not the message: another exchanger may take it (RFC 5321 §4.2.1, RFC 7504). */
export const refusesEverything = (code: number): boolean => code === 421 || code === 521 || code === 554
