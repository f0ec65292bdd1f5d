// USER and PASS (RFC 1939 §7), AUTH PLAIN and LOGIN (RFC 5034), STLS (RFC 2595).
import { authenticate } from '../../../commands/authenticate.ts'
import { textOf } from '../../wire/text.ts'
import type { Pop3Connection } from '../connection.ts'
import { Maildrop } from '../maildrop.ts'
import { Refused } from '../refused.ts'
import type { Command } from './command.ts'

export const user: Command = {
  when: 'authorization',
  run(connection, rest) {
    needTls(connection)
    if (rest === '') throw new Refused('Who?')
    connection.user = utf8(rest)
    connection.out.line('+OK And the password?')
  },
}

export const pass: Command = {
  when: 'authorization',
  async run(connection, rest) {
    needTls(connection)
    const { user: name } = connection
    connection.user = undefined
    if (name === undefined) throw new Refused('USER comes before PASS')
    await signIn(connection, name, utf8(rest))
  },
}

export const auth: Command = {
  when: 'authorization',
  async run(connection, rest) {
    const [mechanism = '', initial] = rest.split(' ')
    if (mechanism === '') {
      connection.out.line('+OK Mechanisms')
      if (connection.mayUsePasswords) for (const name of ['PLAIN', 'LOGIN']) connection.out.line(name)
      connection.out.line('.')
      return
    }
    needTls(connection)
    switch (mechanism.toUpperCase()) {
      case 'PLAIN': {
        const [, name = '', password = ''] = (await response(connection, '', initial)).split('\0')
        return signIn(connection, name, password)
      }
      case 'LOGIN': {
        const name = await response(connection, 'Username:', initial)
        return signIn(connection, name, await response(connection, 'Password:', undefined))
      }
      default:
        throw new Refused('This mechanism is not known')
    }
  },
}

async function response(connection: Pop3Connection, challenge: string, initial: string | undefined): Promise<string> {
  const line = initial ?? (await connection.ask(Buffer.from(challenge).toString('base64')))
  if (line === null || line === '*') throw new Refused('Sign-in given up')
  if (line === '=') return ''
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(line) || line.length % 4 !== 0) throw new Refused('This is not base64')
  return textOf(Buffer.from(line, 'base64'))
}

export const stls: Command = {
  when: 'authorization',
  run(connection) {
    if (connection.secure || !connection.settings.tls) throw new Refused('TLS is not to be had here, or is on already')
    connection.out.line('+OK Begin TLS now')
    connection.startTls()
  },
}

const utf8 = (latin1: string): string => textOf(Buffer.from(latin1, 'latin1'))

function needTls({ mayUsePasswords }: Pop3Connection): void {
  if (!mayUsePasswords) throw new Refused('Start TLS first (STLS)', 'AUTH')
}

async function signIn(connection: Pop3Connection, name: string, password: string): Promise<void> {
  const { services, guard, address } = connection
  const wait = guard.guessing(address)
  if (wait > 0) throw new Refused(`Too many failed sign-ins: try again in ${wait} seconds`, 'LOGIN-DELAY')
  const account = await authenticate(services.directory, name, password)
  if (!account) {
    guard.guessedWrong(address)
    services.count('auth_failures')
    services.log('sign-in refused', { via: 'pop3', address })
    throw new Refused('Wrong address or password', 'AUTH')
  }
  connection.enter(account)
  const maildrop = await Maildrop.open(services, account.id)
  connection.maildrop = maildrop
  services.count('pop3_sign_ins')
  const { count, bytes } = maildrop.stat
  connection.out.line(`+OK ${count} messages (${bytes} octets)`)
}
