// Who someone is, by address and password. The same for every gateway.
import { timingSafeEqual } from 'node:crypto'
import { normalizeAddress } from '../domain/mail/address.ts'
import { hashSecret, verifyPassword } from './passwords.ts'
import type { Directory, DirectoryAccount } from './ports/views.ts'

/** The account, by its password or one of its app passwords; undefined without a hint about which part was wrong. */
export async function authenticate(
  directory: Directory,
  address: string,
  password: string,
): Promise<DirectoryAccount | undefined> {
  const normal = normalizeAddress(address)
  const found = normal ? await directory.resolve(normal.address) : undefined
  // A catch-all takes mail for an address; it does not lend its name to sign in with.
  const account = found && found.kind !== 'catch-all' ? await directory.account(found.accountId) : undefined
  if (account && !account.erased && account.appPasswords.some(({ hash }) => same(hash, hashSecret(password))))
    return account
  const right = await verifyPassword(password, account?.erased ? undefined : account?.passwordHash)
  return right ? account : undefined
}

function same(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
