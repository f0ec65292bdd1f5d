// CPU cost of reading mail: the 8-12 KB messages, the whole corpus, and one message with a 50 MB attachment in chunks.
// Prints one JSON object a line. The real mail is found as in test/mime/corpus.ts.
import { MailReader, readMail } from '../../domain/mail/read.ts'
import { corpus } from '../mime/corpus.ts'

interface Figure {
  readonly metric: string
  readonly value: number
  readonly unit: string
  readonly n: number
  readonly p50?: number
  readonly p99?: number
}

function print(figure: Figure): void {
  console.log(JSON.stringify({ bench: 'mime', ...figure }))
}

function round(value: number): number {
  return Math.round(value * 10_000) / 10_000
}

/** CPU milliseconds of one call, each of `messages` read `rounds` times after a warm-up. */
function readAll(metric: string, messages: readonly Uint8Array[], rounds: number): void {
  for (let i = 0; i < Math.max(3, rounds / 5); i++) for (const raw of messages) readMail(raw)
  const before = process.cpuUsage()
  const times: number[] = []
  for (let i = 0; i < rounds; i++) {
    for (const raw of messages) {
      const start = performance.now()
      readMail(raw)
      times.push(performance.now() - start)
    }
  }
  const used = process.cpuUsage(before)
  times.sort((a, b) => a - b)
  const at = (share: number): number => round(times[Math.floor(times.length * share)] ?? 0)
  const value = round((used.user + used.system) / 1000 / times.length)
  print({ metric, value, unit: 'ms', n: times.length, p50: at(0.5), p99: at(0.99) })
}

function attachmentMessage(bytes: number): Buffer {
  const line = `${'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3'.slice(0, 76)}\r\n`
  const head =
    'From: a@example.org\r\nTo: b@example.org\r\nSubject: large\r\nMIME-Version: 1.0\r\n' +
    'Content-Type: multipart/mixed; boundary="=_b"\r\n\r\n--=_b\r\n\r\nsee attached\r\n--=_b\r\n' +
    'Content-Type: application/octet-stream; name=big.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n'
  return Buffer.concat([
    Buffer.from(head),
    Buffer.from(line.repeat(Math.ceil(bytes / line.length))),
    Buffer.from('--=_b--\r\n'),
  ])
}

function readChunks(metric: string, raw: Buffer, rounds: number): void {
  const rates: number[] = []
  for (let i = 0; i < rounds; i++) {
    const before = process.cpuUsage()
    const reader = new MailReader()
    for (let at = 0; at < raw.length; at += 65536) reader.push(raw.subarray(at, at + 65536))
    if (reader.end().attachments.length !== 1) throw new Error('the attachment was not found')
    const used = process.cpuUsage(before)
    rates.push(raw.length / (used.user + used.system))
  }
  rates.sort((a, b) => a - b)
  const at = (share: number): number => round(rates[Math.floor(rates.length * share)] ?? 0)
  print({ metric, value: at(0.5), unit: 'MB/s', n: rounds, p50: at(0.5), p99: at(0.01) })
}

const messages = corpus()
if (messages.length === 0) console.log(JSON.stringify({ bench: 'mime', skipped: 'no corpus: set EVERPOST_MAIL' }))
else {
  const median = messages.map(({ raw }) => raw).filter((raw) => raw.length >= 8192 && raw.length <= 12_288)
  readAll('median_10k_message', median, 50)
  readAll(
    'corpus_message',
    messages.map(({ raw }) => raw),
    5,
  )
}
readChunks('attachment_50mb_in_64k_chunks', attachmentMessage(50_000_000), 11)
