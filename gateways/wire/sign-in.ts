// Signing in by address and password, the same for every line protocol: held up after wrong guesses, counted, logged.
import { authenticate } from '../../commands/authenticate.ts'
import type { Directory, DirectoryAccount } from '../../commands/ports/views.ts'
import type { Guard } from './guard.ts'
import { textOf } from './text.ts'

export interface SignInServices {
  readonly directory: Directory
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
  readonly count: (metric: string) => void
}

export type SignIn =
  | { readonly account: DirectoryAccount }
  /** Whole seconds until another guess is heard. */
  | { readonly wait: number }
  | 'wrong'

export async function signIn(
  services: SignInServices,
  guard: Guard,
  client: { readonly address: string; readonly via: 'imap' | 'pop3' | 'managesieve' },
  name: string,
  password: string,
): Promise<SignIn> {
  const { address, via } = client
  const wait = guard.guessing(address)
  if (wait > 0) return { wait }
  const account = await authenticate(services.directory, name, password)
  if (account) {
    services.count(`${via}_sign_ins`)
    return { account }
  }
  guard.guessedWrong(address)
  services.count('auth_failures')
  services.log('sign-in refused', { via, address })
  return 'wrong'
}

/** What a client answers to a SASL challenge; '=' is an empty initial response (RFC 4959). Undefined for what is not base64. */
export function saslText(response: string): string | undefined {
  if (response === '=') return ''
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(response) || response.length % 4 !== 0) return undefined
  return textOf(Buffer.from(response, 'base64'))
}

/** RFC 4616: `authorize NUL name NUL password`. Undefined when somebody wants to act for another. */
export function plainCredentials(text: string): { readonly name: string; readonly password: string } | undefined {
  const [authorize = '', name = '', password = ''] = text.split('\0')
  if (authorize !== '' && authorize.toLowerCase() !== name.toLowerCase()) return undefined
  return { name, password }
}
