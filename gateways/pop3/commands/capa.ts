// CAPA (RFC 2449), what the server can, and IMPLEMENTATION.
import { mechanisms } from '../../wire/sasl.ts'
import type { Command } from './command.ts'

export const capa: Command = {
  when: 'any',
  run({ out, secure, settings, account, mayUsePasswords }) {
    out.line('+OK What this server can')
    const list = ['TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING', 'EXPIRE NEVER', 'UTF8 USER', 'LANG']
    if (!account && mayUsePasswords) list.push('USER', `SASL ${mechanisms({ secure }).join(' ')}`)
    if (!account && !secure && settings.tls) list.push('STLS')
    for (const each of [...list, 'IMPLEMENTATION Everpost']) out.line(each)
    out.line('.')
  },
}
