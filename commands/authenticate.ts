// Who someone is, by address and password, by token, or by proof of a password. The same for every gateway.
import { timingSafeEqual } from 'node:crypto'
import { normalizeAddress, ownAddress, splitTag } from '../domain/mail/address.ts'
import { hashSecret, verifyPassword } from './passwords.ts'
import type { Directory, DirectoryAccount } from './ports/views.ts'

/** The account, by its password or one of its app passwords; undefined without a hint about which part was wrong. */
export async function authenticate(
  directory: Directory,
  address: string,
  password: string,
): Promise<DirectoryAccount | undefined> {
  const account = await accountOfName(directory, address)
  if (account?.appPasswords.some(({ hash }) => same(hash, hashSecret(password)))) return account
  // A whole token is a password as well: people paste what they were given.
  if (account && (await authenticateToken(directory, password))?.account.id === account.id) return account
  const right = await verifyPassword(password, account?.passwordHash)
  return right ? account : undefined
}

/** The account that a name signs in to: a catch-all takes mail for an address, and does not lend its name. */
export async function accountOfName(directory: Directory, address: string): Promise<DirectoryAccount | undefined> {
  const normal = normalizeAddress(address)
  const found = normal ? await directory.resolve(normal.address) : undefined
  const account = found && found.kind !== 'catch-all' ? await directory.account(found.accountId) : undefined
  return account?.erased ? undefined : account
}

/** A name as it would be known if it were: all spellings that lead to one account are one, also where there is none. */
export function canonicalName(address: string): string {
  const normal = normalizeAddress(address)
  if (!normal) return address.toLowerCase()
  const own = ownAddress(normal.address)
  const at = own.lastIndexOf('@')
  return splitTag(own.slice(0, at)).user + own.slice(at)
}

const TOKEN = /^ep_([a-z2-7]{26})_([\w-]{16,100})$/

/** What a token of `everpost token create` opens, and its id; undefined for one that is none, or was revoked. */
export async function authenticateToken<Account extends DirectoryAccount>(
  directory: { account(id: string): Promise<Account | undefined> },
  token: string,
): Promise<{ readonly account: Account; readonly id: string } | undefined> {
  const parts = TOKEN.exec(token)
  if (!parts) return undefined
  const [, owner = '', secret = ''] = parts
  const account = await directory.account(owner)
  if (!account || account.erased) return undefined
  const given = hashSecret(secret)
  const id = account.appPasswords.find(({ hash }) => same(hash, given))?.id
  return id === undefined ? undefined : { account, id }
}

function same(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
