// A person gets a mailbox: data key, claim on the address, account stream, the folders that every mailbox has.
import type { AccountRole, AddressKind } from '../domain/account/account.ts'
import { decide, MAX_TEXT, noAccount } from '../domain/account/account.ts'
import { type AccountId, accountStream, addressStream, domainStream, mailboxStream } from '../domain/log.ts'
import { normalizeAddress, ownAddress } from '../domain/mail/address.ts'
import type { FolderRole, MailboxEvent } from '../domain/mailbox/mailbox.ts'
import { changeAccount } from './change-account.ts'
import { type CommandContext, type Outcome, refused, toNewEvents } from './context.ts'
import { derivedId, newId } from './identity.ts'
import type { Journal } from './ports/journal.ts'
import type { Keyring } from './ports/keyring.ts'
import type { Directory } from './ports/views.ts'

export interface AccountPorts {
  readonly journal: Journal
  readonly keyring: Keyring
  readonly directory: Directory
}

export const STANDARD_FOLDERS: readonly { readonly role: FolderRole; readonly name: string }[] = [
  { role: 'inbox', name: 'INBOX' },
  { role: 'drafts', name: 'Drafts' },
  { role: 'sent', name: 'Sent' },
  { role: 'archive', name: 'Archive' },
  { role: 'junk', name: 'Junk' },
  { role: 'trash', name: 'Trash' },
]

/** Ids of the standard folders follow from the account's, so that a delivery needs to look nothing up. */
export const folderIdFor = (account: AccountId, role: FolderRole): string => derivedId('folder', account, role)

export type OpenOutcome = Outcome<
  { readonly accountId: AccountId; readonly address: string },
  'bad-address' | 'no-such-domain' | 'address-taken' | 'bad-value'
>

/**
 * Opens an account. The claim on the address comes last but one step before anyone can be told: an interrupted opening leaves at
 * worst a key and streams that no address leads to, and the same call again succeeds.
 */
export async function openAccount(
  ports: AccountPorts,
  context: CommandContext,
  input: { readonly address: string; readonly name?: string; readonly role?: AccountRole },
): Promise<OpenOutcome> {
  const { journal, keyring, directory } = ports
  const normal = normalizeAddress(input.address)
  if (!normal) return refused('bad-address', `${input.address} is not an e-mail address.`)
  const { domain } = normal
  const address = ownAddress(normal.address)
  if ((input.name ?? '').length > MAX_TEXT) return refused('bad-value', `A name takes at most ${MAX_TEXT} characters.`)
  if (
    !(await directory.hasDomain(domain)) &&
    (await journal.lastRevision(domainStream(keyring.nameHash(domain)))) === undefined
  ) {
    return refused('no-such-domain', `${domain} is not a domain of this server: everpost domain add ${domain}`)
  }
  const accountId = newId()
  await keyring.create(accountId)
  const claim = await journal.append({
    stream: addressStream(keyring.nameHash(address)),
    expected: 'no-stream',
    events: toNewEvents([{ type: 'AddressClaimed', data: { accountId } }], accountId, {
      ...context,
      commandId: `${context.commandId}/claim`,
    }),
  })
  if (!claim.ok || claim.repeated) {
    const owner = await claimedBy(ports, address)
    const open = owner !== undefined && (await journal.lastRevision(accountStream(owner))) !== undefined
    if (owner === undefined || open) {
      await keyring.destroy(accountId)
      // The claim of this very command: it is a retry, and everything is there.
      if (open && claim.ok) return { ok: true, accountId: owner, address }
      return refused('address-taken', `${address} belongs to an account already.`)
    }
    // An earlier opening stopped between its claim and its streams: finish that one.
    await keyring.destroy(accountId)
    await keyring.create(owner)
    await writeStreams(journal, context, owner, address, input)
    return { ok: true, accountId: owner, address }
  }
  await writeStreams(journal, context, accountId, address, input)
  return { ok: true, accountId, address }
}

async function writeStreams(
  journal: Journal,
  context: CommandContext,
  accountId: AccountId,
  address: string,
  { name = '', role = 'user' }: { readonly name?: string; readonly role?: AccountRole },
): Promise<void> {
  const opened = decide({ type: 'OpenAccount', accountId, address, name, role }, noAccount)
  const folders: MailboxEvent[] = STANDARD_FOLDERS.map((folder) => ({
    type: 'FolderCreated',
    data: { folderId: folderIdFor(accountId, folder.role), name: folder.name, parentId: null, role: folder.role },
  }))
  const under = (part: string) => ({ ...context, commandId: `${context.commandId}/${part}` })
  await journal.appendAll([
    {
      stream: mailboxStream(accountId),
      expected: 'no-stream',
      events: toNewEvents(folders, accountId, under('folders')),
    },
    {
      stream: accountStream(accountId),
      expected: 'no-stream',
      events: toNewEvents('events' in opened ? opened.events : [], accountId, under('account')),
    },
  ])
}

/** The account that an address was claimed for, whatever became of it; undefined when nobody did or its key is gone. */
export async function claimedBy(
  { journal, keyring }: Pick<AccountPorts, 'journal' | 'keyring'>,
  address: string,
): Promise<AccountId | undefined> {
  for await (const event of journal.readStream(addressStream(keyring.nameHash(address)), { limit: 1 })) {
    if (!('redacted' in event) && event.type === 'AddressClaimed') return event.data.accountId
  }
  return undefined
}

/** Gives an account one more address: an alias, or with `@domain` everything otherwise unknown there. */
export async function addAddress(
  ports: AccountPorts,
  context: CommandContext,
  account: AccountId,
  text: string,
): Promise<Outcome<{ readonly address: string }, string>> {
  const catchAll = text.startsWith('@')
  const normal = normalizeAddress(catchAll ? `any${text}` : text)
  if (!normal) return refused('bad-address', `${text} is not an e-mail address.`)
  if (!(await ports.directory.hasDomain(normal.domain))) {
    return refused(
      'no-such-domain',
      `${normal.domain} is not a domain of this server: everpost domain add ${normal.domain}`,
    )
  }
  const address = catchAll ? `@${normal.domain}` : ownAddress(normal.address)
  const kind: AddressKind = catchAll ? 'catch-all' : 'alias'
  const claim = await ports.journal.append({
    stream: addressStream(ports.keyring.nameHash(address)),
    expected: 'no-stream',
    events: toNewEvents([{ type: 'AddressClaimed', data: { accountId: account } }], account, {
      ...context,
      commandId: `${context.commandId}/claim`,
    }),
  })
  if (!claim.ok && (await claimedBy(ports, address)) !== account)
    return refused('address-taken', `${address} belongs to an account already.`)
  const added = await changeAccount(ports.journal, context, account, { type: 'AddAddress', address, kind })
  return added.ok ? { ok: true, address } : added
}

/** Makes this installation take mail for a domain. Repeating it changes nothing. */
export async function addDomain(
  { journal, keyring }: Pick<AccountPorts, 'journal' | 'keyring'>,
  context: CommandContext,
  name: string,
): Promise<Outcome<{ readonly domain: string; readonly added: boolean }, 'bad-domain'>> {
  const normal = normalizeAddress(`postmaster@${name}`)
  if (!normal) return refused('bad-domain', `${name} is not a domain name.`)
  const result = await journal.append({
    stream: domainStream(keyring.nameHash(normal.domain)),
    expected: 'no-stream',
    events: toNewEvents([{ type: 'DomainAdded', data: { name: normal.domain } }], 'system', context),
  })
  return { ok: true, domain: normal.domain, added: result.ok && !result.repeated }
}
