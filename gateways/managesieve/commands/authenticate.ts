// AUTHENTICATE (RFC 5804 §2.1) with PLAIN (RFC 4616).
import { authenticate } from '../../../commands/authenticate.ts'
import { textOf } from '../../wire/text.ts'
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
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(response) || response.length % 4 !== 0) throw new Refused('This is not base64')
    const [authorize = '', name = '', password = ''] = textOf(Buffer.from(response, 'base64')).split('\0')
    if (authorize !== '' && authorize.toLowerCase() !== name.toLowerCase())
      throw new Refused('Nobody acts for another account here')
    await signIn(connection, name, password)
  },
}

async function signIn(connection: ManageSieveConnection, name: string, password: string): Promise<void> {
  const { services, guard, address } = connection
  const wait = guard.guessing(address)
  if (wait > 0) throw new Refused(`Too many failed sign-ins: try again in ${wait} seconds`, 'TRYLATER')
  const account = await authenticate(services.directory, name, password)
  if (!account) {
    guard.guessedWrong(address)
    services.count('auth_failures')
    services.log('sign-in refused', { via: 'managesieve', address })
    throw new Refused('Wrong address or password')
  }
  connection.enter(account)
  services.count('managesieve_sign_ins')
  connection.ok('Signed in')
}
