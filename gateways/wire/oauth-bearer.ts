// OAUTHBEARER (RFC 7628): a bearer token instead of a password: Everpost's own, or one that somebody else vouches for.
import { accountOfName, authenticateToken } from '../../commands/authenticate.ts'
import type { DirectoryAccount } from '../../commands/ports/views.ts'
import { firstResponse, type SaslPeer } from './sasl-peer.ts'
import type { SignInServices } from './sign-in.ts'

export async function bearerExchange(services: SignInServices, peer: SaslPeer): Promise<DirectoryAccount | undefined> {
  const { directory, tokens } = services
  const response = (await firstResponse(peer)).toString('utf8')
  const read = readResponse(response)
  const account = read && (await accountOfToken(services, read.token))
  const named = read?.authorize === undefined ? account : await accountOfName(directory, read.authorize)
  if (account && named?.id === account.id) return account
  // RFC 7628 §3.2.2: the reason, which the client acknowledges before the exchange fails.
  const reason = {
    status: read ? 'invalid_token' : 'invalid_request',
    schemes: 'bearer',
    ...(tokens?.openidConfiguration === undefined ? {} : { 'openid-configuration': tokens.openidConfiguration }),
  }
  await peer.ask(JSON.stringify(reason))
  return undefined
}

async function accountOfToken(
  { directory, tokens }: SignInServices,
  token: string,
): Promise<DirectoryAccount | undefined> {
  const own = await authenticateToken(directory, token)
  if (own) return own.account
  const address = token.startsWith('ep_') ? undefined : await tokens?.verify(token)
  return address === undefined ? undefined : accountOfName(directory, address)
}

/** `n,a=ADDRESS,^Ahost=…^Aport=…^Aauth=Bearer TOKEN^A^A` */
function readResponse(text: string): { readonly token: string; readonly authorize: string | undefined } | undefined {
  const found = /^[ny],(?:a=([^,]{1,500}))?,\x01((?:[A-Za-z]+=[^\x01]*\x01)*)\x01$/.exec(text)
  if (!found) return undefined
  const [, name, pairs = ''] = found
  const auth = pairs.split('\x01').find((pair) => /^auth=/i.test(pair))
  const token = /^auth=bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(auth ?? '')?.[1]
  const authorize = name?.replaceAll('=2C', ',').replaceAll('=3D', '=')
  return token === undefined ? undefined : { token, authorize }
}
