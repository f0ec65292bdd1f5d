// AUTHENTICATE (RFC 5804 §2.1) with PLAIN (RFC 4616).
import { plainCredentials, saslText, signIn } from '../../wire/sign-in.ts'
import type { ManageSieveConnection } from '../connection.ts'
import { Refused } from '../refused.ts'
import type { Command } from './command.ts'

export const authenticateCommand: Command = {
  when: 'signed-out',
  async run(connection, [mechanism, initial, more]) {
    if (mechanism?.kind !== 'string' || more !== undefined || (initial && initial.kind !== 'string'))
      throw new Refused('AUTHENTICATE takes a mechanism and its first words as strings')
    if (mechanism.text.toUpperCase() !== 'PLAIN') throw new Refused('This mechanism is not known')
    if (!connection.mayUsePasswords) throw new Refused('Start TLS first', 'ENCRYPT-NEEDED')
    const response = initial?.kind === 'string' ? initial.text : await connection.ask('')
    if (response === undefined || response === '*') throw new Refused('Sign-in given up')
    const text = saslText(response)
    if (text === undefined) throw new Refused('This is not base64')
    const given = plainCredentials(text)
    if (!given) throw new Refused('Nobody acts for another account here')
    await enter(connection, given.name, given.password)
  },
}

async function enter(connection: ManageSieveConnection, name: string, password: string): Promise<void> {
  const { services, guard, address } = connection
  const signedIn = await signIn(services, guard, { address, via: 'managesieve' }, name, password)
  if (signedIn === 'wrong') throw new Refused('Wrong address or password')
  if ('wait' in signedIn)
    throw new Refused(`Too many failed sign-ins: try again in ${signedIn.wait} seconds`, 'TRYLATER')
  connection.enter(signedIn.account)
  connection.ok('Signed in')
}
