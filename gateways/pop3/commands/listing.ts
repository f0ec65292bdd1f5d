// STAT, LIST and UIDL (RFC 1939 §5 and §7).
import type { Maildrop } from '../maildrop.ts'
import { type Command, maildropOf, numberOf } from './command.ts'

export const stat: Command = {
  when: 'transaction',
  run(connection) {
    const { count, bytes } = maildropOf(connection).stat
    connection.out.line(`+OK ${count} ${bytes}`)
  },
}

const listing = (what: string, of: (maildrop: Maildrop, number: number) => string | number): Command => ({
  when: 'transaction',
  async run(connection, rest) {
    const { out } = connection
    const maildrop = maildropOf(connection)
    if (rest !== '') {
      const number = numberOf(maildrop, rest)
      out.line(`+OK ${number} ${of(maildrop, number)}`)
      return
    }
    out.line(`+OK ${maildrop.stat.count} ${what}`)
    for (const number of maildrop.numbers()) {
      out.line(`${number} ${of(maildrop, number)}`)
      if (number % 1000 === 0) await out.drained()
    }
    out.line('.')
  },
})

export const list = listing('messages', (maildrop, number) => maildrop.size(number))
export const uidl = listing('unique ids', (maildrop, number) => maildrop.uniqueId(number))
