// UTF8 and LANG (RFC 6856).
import { Refused } from '../refused.ts'
import type { Command } from './command.ts'

/** Names and passwords are read as UTF-8 and messages given as they are, asked or not. */
export const utf8: Command = {
  when: 'authorization',
  run({ out }) {
    out.line('+OK UTF-8 it is')
  },
}

export const lang: Command = {
  when: 'any',
  run({ out }, rest) {
    if (rest === '') {
      out.line('+OK Languages')
      out.line('en English')
      out.line('.')
    } else if (/^(en(-\w+)*|\*|i-default)$/i.test(rest)) out.line('+OK en Messages are in English')
    else throw new Refused('This language is not spoken here')
  },
}
