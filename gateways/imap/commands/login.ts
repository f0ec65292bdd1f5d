// LOGIN and AUTHENTICATE PLAIN, LOGIN (RFC 9051 §6.2.2 and §6.2.3, RFC 4616, RFC 4959).
import { plainCredentials, saslText, signIn } from '../../wire/sign-in.ts'
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
    return enter(session, connection, address, password)
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
        const given = plainCredentials(await response(connection, '', initial))
        if (!given) throw new Refused('Nobody acts for another account here', 'AUTHORIZATIONFAILED')
        return enter(session, connection, given.name, given.password)
      }
      case 'LOGIN': {
        const address = await response(connection, 'Username:', initial)
        const password = await response(connection, 'Password:', undefined)
        return enter(session, connection, address, password)
      }
      default:
        throw new Refused('This mechanism is not known', 'CANNOT')
    }
  },
}

async function response(connection: Connection, challenge: string, initial: string | undefined): Promise<string> {
  const line = initial ?? (await connection.ask(Buffer.from(challenge).toString('base64')))
  if (line === null) throw new Goodbye('The client has gone')
  if (line === '*') throw new BadCommand('Sign-in given up')
  const text = saslText(line)
  if (text === undefined) throw new BadCommand('This is not base64')
  return text
}

async function enter(session: Session, connection: Connection, name: string, password: string): Promise<Answer> {
  if (!session.mayUsePasswords) throw new Refused('Start TLS first', 'PRIVACYREQUIRED')
  const client = { address: session.client.address, via: 'imap' as const }
  const signedIn = await signIn(session.services, connection.guard, client, name, password)
  if (signedIn === 'wrong') throw new Refused('Wrong address or password', 'AUTHENTICATIONFAILED')
  if ('wait' in signedIn) throw new Goodbye(`Too many failed sign-ins: try again in ${signedIn.wait} seconds`)
  if (!connection.admit(signedIn.account.id)) throw new Refused('Too many sessions of this account', 'LIMIT')
  session.account = signedIn.account
  return { text: 'Signed in', code: `CAPABILITY ${capabilities(session)}` }
}
