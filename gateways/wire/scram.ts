// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): the password is proved and never sent.
import { randomBytes } from 'node:crypto'
import { accountOfName, canonicalName } from '../../commands/authenticate.ts'
import type { DirectoryAccount } from '../../commands/ports/views.ts'
import { checkProof, SALT_BYTES, SCRAM_ITERATIONS, verifiersOf } from '../../commands/scram.ts'
import { firstResponse, type SaslPeer } from './sasl-peer.ts'
import type { SignInServices } from './sign-in.ts'

interface ClientFirst {
  /** `n,,`, `y,,` or `p=type,,`, with the name to act as, as written. */
  readonly header: string
  /** `n` without channel binding, `y` for a client that thinks that we have none. */
  readonly flag: 'n' | 'y' | 'p'
  readonly bindingType: string
  readonly authorize: string | undefined
  readonly bare: string
  readonly name: string
  readonly nonce: string
}

/** The account whose password, or one of whose app passwords, the client knows. `nonce` is ours, for the RFC's own vectors. */
export async function scramExchange(
  { directory, nameHash }: SignInServices,
  peer: SaslPeer,
  { plus, nonce = randomBytes(18).toString('base64') }: { readonly plus: boolean; readonly nonce?: string },
): Promise<DirectoryAccount | undefined> {
  const first = readClientFirst((await firstResponse(peer)).toString('utf8'))
  if (!first || (first.flag === 'p') !== plus) return undefined
  // A client that could bind and was told that we cannot was told so by somebody in between (RFC 5802 §6).
  if (first.flag === 'y' && peer.binding) return undefined
  const binding = plus ? peer.binding?.bytes(first.bindingType) : Buffer.alloc(0)
  if (!binding) return undefined
  const account = await accountOfName(directory, first.name)
  const verifiers = verifiersOf(account)
  const salt = verifiers[0]?.salt ?? fakeSalt(nameHash, account?.id ?? canonicalName(first.name))
  const both = first.nonce + nonce
  const challenge = `r=${both},s=${salt},i=${verifiers[0]?.iterations ?? SCRAM_ITERATIONS}`
  const last = (await peer.ask(challenge)).toString('utf8')
  const [, withoutProof = '', c = '', r = '', p = ''] = /^(c=([^,]*),r=([^,]*)(?:,[^,]*)*?),p=([^,]*)$/.exec(last) ?? []
  const bound = Buffer.concat([Buffer.from(first.header), binding]).toString('base64')
  const message = `${first.bare},${challenge},${withoutProof}`
  const signature = checkProof(verifiers, message, Buffer.from(p, 'base64'))
  if (!signature || !account || c !== bound || r !== both) return undefined
  if (first.authorize !== undefined && canonicalName(first.authorize) !== canonicalName(first.name)) return undefined
  await peer.ask(`v=${signature.toString('base64')}`)
  return account
}

/** The same at every try, so that a name without an account cannot be told from one with it. */
const fakeSalt = (nameHash: (text: string) => string, name: string): string =>
  Buffer.from(nameHash(`scram-salt ${name}`), 'hex')
    .subarray(0, SALT_BYTES)
    .toString('base64')

/** RFC 5802 §7 client-first-message; undefined for what is none, and for extensions that must be understood. */
function readClientFirst(text: string): ClientFirst | undefined {
  const found =
    /^((n|y|p=([A-Za-z0-9.-]{1,40})),(?:a=([^,]{1,500}))?,)(n=([^,]{1,500}),r=([\x21-\x2b\x2d-\x7e]{1,200})(?:,.*)?)$/s.exec(
      text,
    )
  if (!found) return undefined
  const [, header = '', flag = '', bindingType = '', authorize, bare = '', name = '', nonce = ''] = found
  const plain = saslName(name)
  if (plain === undefined) return undefined
  return {
    header,
    flag: flag[0] as 'n' | 'y' | 'p',
    bindingType,
    authorize: authorize === undefined ? undefined : saslName(authorize),
    bare,
    name: plain,
    nonce,
  }
}

/** `=2C` is a comma, `=3D` an equals sign, and no other `=` may stand (RFC 5802 §5.1). */
function saslName(written: string): string | undefined {
  if (/=(?!2C|3D)/.test(written)) return undefined
  return written.replaceAll('=2C', ',').replaceAll('=3D', '=')
}
