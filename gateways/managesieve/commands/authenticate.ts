// AUTHENTICATE (RFC 5804 §2.1).
import { saslResponse, signInBySasl } from '../../wire/sasl.ts'
import { Refused } from '../refused.ts'
import type { Command } from './command.ts'

export const authenticateCommand: Command = {
  when: 'signed-out',
  async run(connection, [mechanism, initial, more]) {
    if (mechanism?.kind !== 'string' || more !== undefined || (initial !== undefined && initial.kind !== 'string'))
      throw new Refused('AUTHENTICATE takes a mechanism and its first words as strings')
    if (!connection.mayUsePasswords) throw new Refused('Start TLS first', 'ENCRYPT-NEEDED')
    const { services, guard, address, binding } = connection
    const peer = {
      initial: initial && decoded(initial.text),
      ask: async (challenge: string) => decoded(await connection.ask(Buffer.from(challenge).toString('base64'))),
      binding,
    }
    const signedIn = await signInBySasl(mechanism.text, services, guard, { address, via: 'managesieve' }, peer)
    if (!signedIn) throw new Refused('This mechanism is not known')
    if (signedIn === 'wrong') throw new Refused('Wrong address or password')
    if ('wait' in signedIn)
      throw new Refused(`Too many failed sign-ins: try again in ${signedIn.wait} seconds`, 'TRYLATER')
    connection.enter(signedIn.account)
    connection.ok('Signed in')
  },
}

function decoded(text: string | undefined): Buffer {
  if (text === undefined || text === '*') throw new Refused('Sign-in given up')
  const response = saslResponse(text)
  if (response === undefined) throw new Refused('This is not base64')
  return response
}
