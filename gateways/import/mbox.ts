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

const SEPARATOR = Buffer.from('\nFrom ')
/** A From_ line longer than this is a line of text. */
const FROM_LINE = 400
/** How far back a separator may begin that was not whole in the last chunk. */
const LOOK_BACK = FROM_LINE + 200

export interface MboxLimits {
  /** A message larger than this is cut there. */
  readonly maxBytes?: number
  /** Bytes read at a time. */
  readonly chunkBytes?: number
}

/** Yields nothing for a file that does not begin with a From_ line. Holds one message, at most `maxBytes` of it. */
export async function* readMbox(
  path: string,
  quoting: FromQuoting = 'mboxrd',
  { maxBytes = 256 * 1024 * 1024, chunkBytes = 1024 * 1024 }: MboxLimits = {},
): AsyncGenerator<MboxMessage> {
  const file = await open(path, 'r')
  try {
    let buffer = Buffer.allocUnsafe(2 * chunkBytes)
    let length = 0
    /** Where in the buffer to go on looking: what is before it holds no separator. */
    let searched = 0
    /** Bytes of the file that are in the buffer no more. */
    let gone = 0
    let begun = false
    for (let ended = false; !ended; ) {
      if (length + chunkBytes > buffer.length) {
        const larger = Buffer.allocUnsafe(2 * (length + chunkBytes))
        buffer.copy(larger, 0, 0, length)
        buffer = larger
      }
      const { bytesRead } = await file.read(buffer, length, chunkBytes, null)
      ended = bytesRead === 0
      length += bytesRead
      const held = buffer.subarray(0, length)
      if (!begun && (ended || length > FROM_LINE || held.includes(10))) {
        if (!isFromLine(held, 0)) return
        begun = true
      }
      let start = 0
      for (let found = nextSeparator(held, searched); found !== undefined; found = nextSeparator(held, searched)) {
        yield message(held.subarray(start, found), quoting, maxBytes, gone + found)
        start = found
        searched = found + 1
      }
      buffer.copyWithin(0, start, length)
      gone += start
      length -= start
      const kept = maxBytes + FROM_LINE + 1
      if (length > kept + LOOK_BACK + chunkBytes) {
        // The middle of a message that is cut anyway.
        buffer.copyWithin(kept, length - LOOK_BACK, length)
        gone += length - LOOK_BACK - kept
        length = kept + LOOK_BACK
      }
      searched = Math.max(0, length - LOOK_BACK)
    }
    if (length > 0) yield message(buffer.subarray(0, length), quoting, maxBytes, gone + length)
  } finally {
    await file.close()
  }
}

/** Offset of the next From_ line that ends a message; undefined when there is none in what is held. */
function nextSeparator(held: Buffer, from: number): number | undefined {
  for (let at = held.indexOf(SEPARATOR, from); at >= 0; at = held.indexOf(SEPARATOR, at + 1)) {
    const afterBlank = held[at - 1] === 10 || (held[at - 1] === 13 && held[at - 2] === 10)
    if (afterBlank && isFromLine(held, at + 1)) return at + 1
  }
  return undefined
}

/** 'From ', a sender, and a date with a time and a year: body text that merely begins a line with 'From ' has none. */
function isFromLine(held: Buffer, at: number): boolean {
  const end = held.indexOf(10, at)
  if (end < 0 || end - at > FROM_LINE) return false
  return /^From (?:\S+|".*?"\S*)? *.*\d{1,2}:\d{2}.*\d{4}/.test(held.toString('latin1', at, end))
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
