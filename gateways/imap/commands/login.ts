// LOGIN and AUTHENTICATE (RFC 9051 §6.2.2 and §6.2.3, RFC 4959).
import { saslResponse, signInBySasl } from '../../wire/sasl.ts'
import { type SignIn, signIn } from '../../wire/sign-in.ts'
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
    if (!session.mayUsePasswords) throw new Refused('Start TLS first', 'PRIVACYREQUIRED')
    const signedIn = signIn(session.services, connection.guard, clientOf(session), address, password)
    return enter(session, connection, await signedIn)
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
    const peer = {
      initial: initial === undefined ? undefined : decoded(initial),
      ask: async (challenge: string) => decoded(await connection.ask(Buffer.from(challenge).toString('base64'))),
      binding: connection.binding,
    }
    const signedIn = signInBySasl(mechanism, session.services, connection.guard, clientOf(session), peer)
    if (!signedIn) throw new Refused('This mechanism is not known', 'CANNOT')
    return enter(session, connection, await signedIn)
  },
}

function decoded(line: string | null): Buffer {
  if (line === null) throw new Goodbye('The client has gone')
  if (line === '*') throw new BadCommand('Sign-in given up')
  const response = saslResponse(line)
  if (response === undefined) throw new BadCommand('This is not base64')
  return response
}

const clientOf = (session: Session) => ({ address: session.client.address, via: 'imap' as const })

function enter(session: Session, connection: Connection, signedIn: SignIn): Answer {
  if (signedIn === 'wrong') throw new Refused('Wrong address or password', 'AUTHENTICATIONFAILED')
  if ('wait' in signedIn) throw new Goodbye(`Too many failed sign-ins: try again in ${signedIn.wait} seconds`)
  if (!connection.admit(signedIn.account.id)) throw new Refused('Too many sessions of this account', 'LIMIT')
  session.account = signedIn.account
  return { text: 'Signed in', code: `CAPABILITY ${capabilities(session)}` }
}
