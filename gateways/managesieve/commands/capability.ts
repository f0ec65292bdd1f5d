// CAPABILITY (RFC 5804 §2.4), also the greeting and what follows STARTTLS.
import { SIEVE_LIMITS } from '../../../domain/sieve/limits.ts'
import { CAPABILITIES } from '../../../domain/sieve/program.ts'
import { mechanisms } from '../../wire/sasl.ts'
import type { ManageSieveConnection } from '../connection.ts'
import { stringOf } from '../words.ts'
import { type Command, strings } from './command.ts'

export function sendCapabilities(connection: ManageSieveConnection): void {
  const { secure, settings, mayUsePasswords, account } = connection
  const lines: (readonly [string, string?])[] = [
    ['IMPLEMENTATION', 'Everpost'],
    ['SIEVE', CAPABILITIES.join(' ')],
    ['SASL', mayUsePasswords ? mechanisms({ secure }).join(' ') : ''],
    ...(settings.tls && !secure ? ([['STARTTLS']] as const) : []),
    ['MAXREDIRECTS', String(SIEVE_LIMITS.redirects)],
    ['UNAUTHENTICATE'],
    ...(account ? ([['OWNER', account.address]] as const) : []),
    ['VERSION', '1.0'],
  ]
  for (const [name, value] of lines) connection.line(value === undefined ? `"${name}"` : `"${name}" ${stringOf(value)}`)
}

export const capability: Command = {
  when: 'any',
  run(connection, words) {
    strings(words, 0)
    sendCapabilities(connection)
    connection.ok('That is all')
  },
}
