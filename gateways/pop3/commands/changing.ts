// DELE, RSET, NOOP, QUIT (RFC 1939 §5, §6): nothing is deleted before QUIT.
import { Refused } from '../refused.ts'
import { type Command, maildropOf, numberOf } from './command.ts'

export const dele: Command = {
  when: 'transaction',
  run(connection, rest) {
    const maildrop = maildropOf(connection)
    const number = numberOf(maildrop, rest)
    maildrop.delete(number)
    connection.out.line(`+OK Message ${number} will be deleted at QUIT`)
  },
}

export const rset: Command = {
  when: 'transaction',
  run(connection) {
    const maildrop = maildropOf(connection)
    maildrop.reset()
    connection.out.line(`+OK ${maildrop.stat.count} messages`)
  },
}

export const noop: Command = {
  when: 'transaction',
  run({ out }) {
    out.line('+OK')
  },
}

export const quit: Command = {
  when: 'any',
  async run(connection) {
    const { maildrop, out } = connection
    connection.close()
    const trouble = maildrop && (await maildrop.update(connection.context()))
    if (trouble !== undefined) throw new Refused(trouble, 'SYS/TEMP')
    out.line('+OK Until next time')
  },
}
