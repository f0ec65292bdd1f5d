// Signing in, the same for every line protocol: held up after wrong guesses, counted, logged.
import { authenticate } from '../../commands/authenticate.ts'
import type { TokenVerifier } from '../../commands/ports/token-verifier.ts'
import type { Directory, DirectoryAccount } from '../../commands/ports/views.ts'
import type { SharedState } from '../limits/shared-state.ts'
import type { Guard } from './guard.ts'

export interface SignInServices {
  readonly directory: Directory
  /** Keyed hash of a name, hex: what a name without an account seems to have as its salt. */
  readonly nameHash: (text: string) => string
  /** For bearer tokens that are not Everpost's own. */
  readonly tokens?: TokenVerifier
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
  readonly count: (metric: string) => void
  /** Of all processes; each counts for itself without it. */
  readonly sharedState?: SharedState
}

export type SignIn =
  | { readonly account: DirectoryAccount }
  /** Whole seconds until another guess is heard. */
  | { readonly wait: number }
  | 'wrong'

export interface SignInClient {
  readonly address: string
  readonly via: 'imap' | 'pop3' | 'managesieve'
}

export function signIn(
  services: SignInServices,
  guard: Guard,
  client: SignInClient,
  name: string,
  password: string,
): Promise<SignIn> {
  return guarded(services, guard, client, () => authenticate(services.directory, name, password))
}

/** Counts a look at credentials: `look` answers the account that they open. */
export async function guarded(
  services: SignInServices,
  guard: Guard,
  { address, via }: SignInClient,
  look: () => Promise<DirectoryAccount | undefined>,
): Promise<SignIn> {
  const wait = await guard.guessing(address)
  if (wait > 0) return { wait }
  const account = await look()
  if (account) {
    services.count(`${via}_sign_ins`)
    return { account }
  }
  await guard.guessedWrong(address)
  services.count('auth_failures')
  services.log('sign-in refused', { via, address })
  return 'wrong'
}
