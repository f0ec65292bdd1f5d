// Reads an mbox file message by message, in bounded memory whatever its size (RFC 4155, and the quotings seen in the wild).
import { open } from 'node:fs/promises'
import { parseDate } from '../../domain/mail/date.ts'

export interface MboxMessage {
  readonly raw: Buffer
  /** Of the From_ line, epoch milliseconds. */
  readonly date?: number
  /** Bytes of the file read up to the end of this message. */
  readonly end: number
}

/** How body lines that begin with 'From ' were marked: mboxrd adds a '>' to each '>*From ', mboxo only to 'From '. */
export type FromQuoting = 'mboxrd' | 'mboxo'

const CHUNK = 1024 * 1024
const SEPARATOR = Buffer.from('\nFrom ')

/** Yields nothing for a file that does not begin with a From_ line. A message larger than `maxBytes` is cut there. */
export async function* readMbox(
  path: string,
  quoting: FromQuoting = 'mboxrd',
  maxBytes = 256 * 1024 * 1024,
): AsyncGenerator<MboxMessage> {
  const file = await open(path, 'r')
  try {
    let held = Buffer.alloc(0)
    /** Where in `held` to go on looking: what is before it holds no separator. */
    let searched = 0
    let base = 0
    for (let ended = false; !ended; ) {
      const chunk = Buffer.allocUnsafe(CHUNK)
      const { bytesRead } = await file.read(chunk, 0, CHUNK, null)
      ended = bytesRead === 0
      held = held.length === 0 ? chunk.subarray(0, bytesRead) : Buffer.concat([held, chunk.subarray(0, bytesRead)])
      if (base === 0 && !isFromLine(held, 0)) return
      let start = 0
      for (;;) {
        const found = nextSeparator(held, Math.max(start, searched))
        if (found === undefined) break
        yield message(held.subarray(start, found), quoting, maxBytes, base + found)
        start = found
        searched = found + 1
      }
      held = held.subarray(start)
      base += start
      searched = Math.max(0, held.length - 256)
    }
    if (held.length > 0) yield message(held, quoting, maxBytes, base + held.length)
  } finally {
    await file.close()
  }
}

/** Offset of the next From_ line that ends a message; undefined when there is none in what is held. */
function nextSeparator(held: Buffer, from: number): number | undefined {
  for (let at = held.indexOf(SEPARATOR, from); at >= 0; at = held.indexOf(SEPARATOR, at + 1)) {
    const afterBlank = at === 0 || held[at - 1] === 10 || (held[at - 1] === 13 && held[at - 2] === 10)
    if (afterBlank && isFromLine(held, at + 1)) return at + 1
  }
  return undefined
}

/** 'From ', a sender, and a date with a time and a year: body text that merely begins a line with 'From ' has none. */
function isFromLine(held: Buffer, at: number): boolean {
  const end = held.indexOf(10, at)
  if (end < 0) return false
  const line = held.toString('latin1', at, Math.min(end, at + 400))
  return /^From (?:\S+|".*?"\S*)? *.*\d{1,2}:\d{2}.*\d{4}/.test(line)
}

function message(bytes: Buffer, quoting: FromQuoting, maxBytes: number, end: number): MboxMessage {
  const lineEnd = bytes.indexOf(10)
  const date = parseDate(asctimeToRfc(bytes.toString('latin1', 0, lineEnd)))
  let stop = bytes.length
  // The empty line before the next From_ line belongs to the file, not to the message.
  if (bytes[stop - 1] === 10 && (bytes[stop - 2] === 10 || (bytes[stop - 2] === 13 && bytes[stop - 3] === 10))) {
    stop -= bytes[stop - 2] === 13 ? 2 : 1
  }
  const raw = unquote(bytes.subarray(lineEnd + 1, Math.min(stop, lineEnd + 1 + maxBytes)), quoting)
  return { raw, end, ...(date === undefined ? {} : { date }) }
}

/** 'From x Thu Aug 22 12:36:23 2002' holds asctime(3); parsers of RFC 5322 want its parts in their own order. */
function asctimeToRfc(line: string): string {
  const parts =
    /([A-Z][a-z]{2}) +(\d{1,2}) +(\d{1,2}:\d{2}(?::\d{2})?)(?: +([A-Z]{3,4}|[+-]\d{4}))? +(\d{4})(?: +([+-]\d{4}))?/.exec(
      line,
    )
  if (!parts) return line
  const [, month, day, time, zone, year, offset] = parts
  return `${day} ${month} ${year} ${time} ${offset ?? zone ?? '+0000'}`
}

const QUOTED = Buffer.from('\n>')

function unquote(raw: Buffer, quoting: FromQuoting): Buffer {
  const parts: Buffer[] = []
  let kept = 0
  for (let at = raw.indexOf(QUOTED); at >= 0; at = raw.indexOf(QUOTED, at + 1)) {
    let from = at + 2
    while (quoting === 'mboxrd' && raw[from] === 62) from++
    if (raw.toString('latin1', from, from + 5) !== 'From ') continue
    parts.push(raw.subarray(kept, at + 1))
    kept = at + 2
  }
  return kept === 0 ? Buffer.from(raw) : Buffer.concat([...parts, raw.subarray(kept)])
}
