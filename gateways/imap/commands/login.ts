// LOGIN and AUTHENTICATE PLAIN, LOGIN (RFC 9051 §6.2.2 and §6.2.3, RFC 4616, RFC 4959).
import { authenticate as check } from '../../../commands/authenticate.ts'
import { textOf } from '../../wire/text.ts'
import { capabilities } from '../capabilities.ts'
import type { Connection } from '../connection.ts'
import { BadCommand, Goodbye, Refused } from '../errors.ts'
import type { Session } from '../session.ts'
import type { Answer, Command } from './command.ts'

export const login: Command = {
  name: 'LOGIN',
  when: 'before-sign-in',
  async run(session, args, { connection }) {
    args.space()
    const address = args.astring()
    args.space()
    const password = args.astring()
    args.end()
    return signIn(session, connection, address, password)
  },
}

export const authenticate: Command = {
  name: 'AUTHENTICATE',
  when: 'before-sign-in',
  async run(session, args, { connection }) {
    args.space()
    const mechanism = args.word()
    const initial = args.taken(' ') ? args.rest() : undefined
    args.end()
    if (!session.mayUsePasswords) throw new Refused('Start TLS first', 'PRIVACYREQUIRED')
    switch (mechanism) {
      case 'PLAIN': {
        const [, address = '', password = ''] = (await response(connection, '', initial)).split('\0')
        return signIn(session, connection, address, password)
      }
      case 'LOGIN': {
        const address = await response(connection, 'Username:', initial)
        const password = await response(connection, 'Password:', undefined)
        return signIn(session, connection, address, password)
      }
      default:
        throw new Refused('This mechanism is not known', 'CANNOT')
    }
  },
}

/** What the client answers to a challenge; '=' is an empty initial response (RFC 4959). */
async function response(connection: Connection, challenge: string, initial: string | undefined): Promise<string> {
  const line = initial ?? (await connection.ask(Buffer.from(challenge).toString('base64')))
  if (line === null) throw new Goodbye('The client has gone')
  if (line === '*') throw new BadCommand('Sign-in given up')
  if (line === '=') return ''
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(line) || line.length % 4 !== 0) throw new BadCommand('This is not base64')
  return textOf(Buffer.from(line, 'base64'))
}

async function signIn(session: Session, connection: Connection, address: string, password: string): Promise<Answer> {
  if (!session.mayUsePasswords) throw new Refused('Start TLS first', 'PRIVACYREQUIRED')
  const { services } = session
  const wait = connection.guessing()
  if (wait > 0) throw new Goodbye(`Too many failed sign-ins: try again in ${wait} seconds`)
  const account = await check(services.directory, address, password)
  if (!account) {
    connection.guessedWrong()
    services.count('auth_failures')
    services.log('sign-in refused', { via: 'imap', address: session.client.address })
    throw new Refused('Wrong address or password', 'AUTHENTICATIONFAILED')
  }
  if (!connection.admit(account.id)) throw new Refused('Too many sessions of this account', 'LIMIT')
  session.account = account
  services.count('imap_sign_ins')
  return { text: 'Signed in', code: `CAPABILITY ${capabilities(session)}` }
}
