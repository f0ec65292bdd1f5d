// USER and PASS (RFC 1939 §7), AUTH (RFC 5034), STLS (RFC 2595).
import { mechanisms, saslResponse, signInBySasl } from '../../wire/sasl.ts'
import { type SignIn, signIn } from '../../wire/sign-in.ts'
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
    const { services, guard } = connection
    await enter(connection, await signIn(services, guard, clientOf(connection), name, utf8(rest)))
  },
}

export const auth: Command = {
  when: 'authorization',
  async run(connection, rest) {
    const [mechanism = '', initial] = rest.split(' ')
    if (mechanism === '') {
      connection.out.line('+OK Mechanisms')
      if (connection.mayUsePasswords) for (const name of mechanisms(connection)) connection.out.line(name)
      connection.out.line('.')
      return
    }
    needTls(connection)
    const { services, guard, binding } = connection
    const peer = {
      initial: initial === undefined ? undefined : decoded(initial),
      ask: async (challenge: string) => decoded(await connection.ask(Buffer.from(challenge).toString('base64'))),
      binding,
    }
    const signedIn = signInBySasl(mechanism, services, guard, clientOf(connection), peer)
    if (!signedIn) throw new Refused('This mechanism is not known')
    await enter(connection, await signedIn)
  },
}

function decoded(line: string | null): Buffer {
  if (line === null || line === '*') throw new Refused('Sign-in given up')
  const response = saslResponse(line)
  if (response === undefined) throw new Refused('This is not base64')
  return response
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

const clientOf = ({ address }: Pop3Connection) => ({ address, via: 'pop3' as const })

async function enter(connection: Pop3Connection, signedIn: SignIn): Promise<void> {
  const { services } = connection
  if (signedIn === 'wrong') throw new Refused('Wrong address or password', 'AUTH')
  if ('wait' in signedIn)
    throw new Refused(`Too many failed sign-ins: try again in ${signedIn.wait} seconds`, 'LOGIN-DELAY')
  connection.enter(signedIn.account)
  const maildrop = await Maildrop.open(services, signedIn.account.id)
  connection.maildrop = maildrop
  const { count, bytes } = maildrop.stat
  connection.out.line(`+OK ${count} messages (${bytes} octets)`)
}
