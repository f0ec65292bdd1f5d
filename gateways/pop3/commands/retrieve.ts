// RETR and TOP (RFC 1939 §5 and §7): the exact bytes, dots at the beginning of a line doubled.
import type { Pop3Connection } from '../connection.ts'
import { Refused } from '../refused.ts'
import { type Command, maildropOf, numberOf } from './command.ts'
import { DotStuffer, TopLines } from './stuffing.ts'

export const retr: Command = {
  when: 'transaction',
  async run(connection, rest) {
    const number = numberOf(maildropOf(connection), rest)
    await send(connection, number, undefined)
  },
}

export const top: Command = {
  when: 'transaction',
  async run(connection, rest) {
    const [which = '', count = ''] = rest.split(/ +/)
    const number = numberOf(maildropOf(connection), which)
    if (!/^\d{1,9}$/.test(count)) throw new Refused('TOP takes a message and a count of lines')
    await send(connection, number, Number(count))
  },
}

async function send(connection: Pop3Connection, number: number, lines: number | undefined): Promise<void> {
  const { out } = connection
  const opened = await maildropOf(connection).open(number)
  if (!opened) throw new Refused('This message is no longer there', 'SYS/PERM')
  const stuffer = new DotStuffer()
  const begin = () => out.line(lines === undefined ? `+OK ${opened.size} octets` : '+OK')
  if (Array.isArray(opened.bytes)) {
    begin()
    const limit = lines === undefined ? undefined : new TopLines(lines)
    for (const piece of opened.bytes as readonly Uint8Array[]) {
      out.bytes(stuffer.push(limit ? limit.take(piece) : piece))
      if (limit?.done) break
    }
    out.bytes(stuffer.end())
    return
  }
  const pieces = (opened.bytes as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  // The first piece before +OK: a message that cannot be read is refused, not cut off.
  let next = await pieces.next()
  begin()
  const limit = lines === undefined ? undefined : new TopLines(lines)
  while (!next.done) {
    const piece = limit ? limit.take(next.value) : next.value
    out.bytes(stuffer.push(piece))
    await out.drained()
    if (limit?.done) break
    next = await pieces.next()
  }
  await pieces.return?.()
  out.bytes(stuffer.end())
}
