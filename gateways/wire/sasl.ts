// SASL (RFC 4422) as IMAP, POP3 and ManageSieve share it: which mechanisms there are, and the exchange of each.
import { authenticate } from '../../commands/authenticate.ts'
import type { DirectoryAccount } from '../../commands/ports/views.ts'
import type { Guard } from './guard.ts'
import { bearerExchange } from './oauth-bearer.ts'
import { firstResponse, type SaslPeer } from './sasl-peer.ts'
import { scramExchange } from './scram.ts'
import { guarded, type SignIn, type SignInClient, type SignInServices } from './sign-in.ts'
import { textOf } from './text.ts'

type Exchange = (services: SignInServices, peer: SaslPeer) => Promise<DirectoryAccount | undefined>

const MECHANISMS: Readonly<Record<string, Exchange>> = {
  'SCRAM-SHA-256-PLUS': (services, peer) => scramExchange(services, peer, { plus: true }),
  'SCRAM-SHA-256': (services, peer) => scramExchange(services, peer, { plus: false }),
  OAUTHBEARER: bearerExchange,
  PLAIN: plain,
  LOGIN: login,
}

/** Those to be offered, the strongest first; those with channel binding only over TLS. */
export function mechanisms({ secure }: { readonly secure: boolean }): readonly string[] {
  return Object.keys(MECHANISMS).filter((name) => secure || !name.endsWith('-PLUS'))
}

/** Undefined for a mechanism that is not offered. */
export function signInBySasl(
  mechanism: string,
  services: SignInServices,
  guard: Guard,
  client: SignInClient,
  peer: SaslPeer,
): Promise<SignIn> | undefined {
  const name = mechanism.toUpperCase()
  const exchange = mechanisms({ secure: peer.binding !== undefined }).includes(name) ? MECHANISMS[name] : undefined
  return exchange && guarded(services, guard, client, () => exchange(services, peer))
}

/** RFC 4616: `authorize NUL name NUL password`. Nobody acts for another account. */
async function plain({ directory }: SignInServices, peer: SaslPeer): Promise<DirectoryAccount | undefined> {
  const [authorize = '', name = '', password = ''] = textOf(await firstResponse(peer)).split('\0')
  if (authorize !== '' && authorize.toLowerCase() !== name.toLowerCase()) return undefined
  return authenticate(directory, name, password)
}

/** What old programs speak: the name, then the password. */
async function login({ directory }: SignInServices, peer: SaslPeer): Promise<DirectoryAccount | undefined> {
  const name = textOf(peer.initial ?? (await peer.ask('Username:')))
  return authenticate(directory, name, textOf(await peer.ask('Password:')))
}

/** What a client answers to a challenge; '=' is an empty initial response (RFC 4959). Undefined for what is not base64. */
export function saslResponse(written: string): Buffer | undefined {
  if (written === '=') return Buffer.alloc(0)
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(written) || written.length % 4 !== 0) return undefined
  return Buffer.from(written, 'base64')
}
