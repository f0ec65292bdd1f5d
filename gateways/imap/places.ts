// Mailboxes that a session may name: its own, and those that others of its domain share with it (RFC 4314, RFC 2342).
import type { DirectoryAccount } from '../../commands/ports/views.ts'
import { grantedRights, RIGHTS, type Rights } from '../../domain/account/sharing.ts'
import type { AccountId } from '../../domain/log.ts'
import type { FolderRow } from '../../projections/queries.ts'
import { Refused } from './errors.ts'
import { DELIMITER, FolderTree, keyOf } from './names.ts'
import type { ImapServices } from './services.ts'

/** Where others' mailboxes are: `Other Users/kim@example.test/Plans`. */
export const OTHERS = 'Other Users'
const OTHERS_PREFIX = `${OTHERS}${DELIMITER}`

export interface Place {
  readonly account: AccountId
  /** The whole name, as this session gives it. */
  readonly path: string
  readonly folder: FolderRow
  readonly hasChildren: boolean
  /** All of them in a person's own mailboxes. */
  readonly rights: Rights
}

export const domainOf = ({ address }: Pick<DirectoryAccount, 'address'>): string =>
  address.slice(address.lastIndexOf('@') + 1)

/** What an account may do with a folder of another, as of now; '' also across domains. */
export function rightsOn(owner: DirectoryAccount | undefined, folderId: string, who: DirectoryAccount): Rights {
  if (!owner || owner.erased) return ''
  if (owner.id === who.id) return RIGHTS
  const domain = domainOf(who)
  return domainOf(owner) === domain ? grantedRights(owner.grants ?? [], folderId, { id: who.id, domain }) : ''
}

export function ownPlaces(tree: FolderTree, account: AccountId): readonly Place[] {
  return tree.all.map(({ path, folder }) => ownPlace(tree, account, folder, path))
}

export function ownPlace(tree: FolderTree, account: AccountId, folder: FolderRow, path: string): Place {
  return { account, path, folder, hasChildren: tree.hasChildren(folder), rights: RIGHTS }
}

/** More than this many who share with one account, or with everybody: the rest is not listed, and is there by its name. */
export const MAX_OWNERS = 200

/** Folders of others that the account has any right on, by name. */
export async function sharedPlaces(services: Services, who: DirectoryAccount): Promise<readonly Place[]> {
  const owners = await services.directory.ownersSharingWith([who.id, `@${domainOf(who)}`])
  const places: Place[] = []
  for (const id of owners.slice(0, MAX_OWNERS)) places.push(...(await placesOf(services, who, id)))
  return places
}

/** One of them by its name: only its owner is looked at. */
export async function sharedPlace(services: Services, who: DirectoryAccount, path: string): Promise<Place | undefined> {
  const [, address = ''] = /^[^/]*\/([^@]+@[^/]+)\//.exec(path) ?? []
  const found = await services.directory.resolve(address.toLowerCase())
  if (!found || found.kind === 'catch-all') return undefined
  const wanted = keyOf(path)
  return (await placesOf(services, who, found.accountId)).find((place) => keyOf(place.path) === wanted)
}

type Services = Pick<ImapServices, 'directory' | 'live'>

async function placesOf(
  { directory, live }: Services,
  who: DirectoryAccount,
  id: AccountId,
): Promise<readonly Place[]> {
  const owner = id === who.id ? undefined : await directory.account(id)
  if (!owner || domainOf(owner) !== domainOf(who) || !owner.grants?.length) return []
  const theirs = live.of(id)
  await theirs.catchUp()
  const all = new FolderTree(theirs.folders).all.map(({ path, folder }) => {
    const rights = rightsOn(owner, folder.id, who)
    return { account: id, path: `${OTHERS_PREFIX}${owner.address}${DELIMITER}${path}`, folder, rights }
  })
  const parents = new Set(all.filter(canSee).flatMap(({ path }) => parentsOf(path)))
  return all.filter(({ rights }) => rights !== '').map((place) => ({ ...place, hasChildren: parents.has(place.path) }))
}

/** `a/b/c` lies below `a/b` and `a`. */
export function parentsOf(path: string): readonly string[] {
  const parts = path.split(DELIMITER)
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join(DELIMITER))
}

/** Whether the name lies where others' mailboxes are. */
export const isOthers = (path: string): boolean => {
  const lower = path.toLowerCase()
  return lower === OTHERS.toLowerCase() || lower.startsWith(OTHERS_PREFIX.toLowerCase())
}

export const canSee = ({ rights }: Pick<Place, 'rights'>): boolean => rights.includes('l')

/** Refuses where a right is missing: to whom may not see the mailbox, it does not exist (RFC 4314 §6). */
export function demand(place: Pick<Place, 'rights'>, wanted: Rights): void {
  if ([...wanted].every((right) => place.rights.includes(right))) return
  if (canSee(place)) throw new Refused(`You have no right to do this here (${wanted})`, 'NOPERM')
  throw new Refused('There is no such mailbox', 'NONEXISTENT')
}

/** Those of the flags that the rights let one change (RFC 4314 §4): `s` is for \Seen, `t` for \Deleted, `w` for the rest. */
export function permitted(rights: Rights, flags: readonly string[]): readonly string[] {
  if (rights === RIGHTS) return flags
  return flags.filter((flag) => rights.includes(flag === '\\seen' ? 's' : flag === '\\deleted' ? 't' : 'w'))
}
