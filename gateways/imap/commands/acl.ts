// SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314): folders shared between accounts of one domain.
import { changeAccount } from '../../../commands/change-account.ts'
import { joinRights, RIGHTS, type Rights, rightsOf, withoutRights } from '../../../domain/account/sharing.ts'
import { normalizeAddress } from '../../../domain/mail/address.ts'
import { BadCommand, Refused } from '../errors.ts'
import { demand, domainOf, type Place } from '../places.ts'
import { astring, string, utf8 } from '../respond/strings.ts'
import type { Session } from '../session.ts'
import type { Command, CommandArguments } from './command.ts'

/** A command about a mailbox that the session administers; `read` takes what follows its name. */
const administering = <Given>(
  name: string,
  read: (args: CommandArguments) => Given,
  run: (session: Session, place: Place, given: Given) => Promise<void>,
): Command => ({
  name,
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const path = session.nameIn(args.astring())
    const given = read(args)
    args.end()
    const place = await session.needPlace(path)
    demand(place, 'a')
    await run(session, place, given)
    return {}
  },
})

function readIdentifier(args: CommandArguments): string {
  args.space()
  return args.astring()
}

function readGrant(args: CommandArguments) {
  const identifier = readIdentifier(args)
  args.space()
  const written = args.astring()
  const sign = /^[+-]/.exec(written)?.[0]
  const rights = rightsOf(sign ? written.slice(1) : written)
  if (rights === undefined) throw new BadCommand(`Rights are letters of ${RIGHTS}`)
  return { identifier, sign, rights }
}

export const setAcl = administering('SETACL', readGrant, async (session, place, { identifier, sign, rights }) => {
  const grantee = await granteeOf(session, place, identifier)
  await share(session, place, grantee, (now) =>
    sign === '+' ? joinRights(now, rights) : sign === '-' ? withoutRights(now, rights) : rights,
  )
})

export const deleteAcl = administering('DELETEACL', readIdentifier, async (session, place, identifier) => {
  await share(session, place, await granteeOf(session, place, identifier), () => '')
})

const nothing = () => undefined

export const getAcl = administering('GETACL', nothing, async (session, place) => {
  const { directory } = session.services
  const owner = await directory.account(place.account)
  const entries = [`${name(owner?.address ?? '')} ${told(RIGHTS)}`]
  for (const { folderId, with: grantee, rights } of owner?.grants ?? []) {
    if (folderId !== place.folder.id) continue
    const account = grantee.startsWith('@') ? undefined : await directory.account(grantee)
    if (!grantee.startsWith('@') && (!account || account.erased)) continue
    entries.push(`${name(account?.address ?? ANYONE)} ${told(rights)}`)
  }
  session.out.line(`* ACL ${session.nameOut(place.path)} ${entries.join(' ')}`)
})

export const listRights = administering('LISTRIGHTS', readIdentifier, async (session, place, identifier) => {
  const isOwner = (await granteeOf(session, place, identifier, { ownerToo: true })) === place.account
  // Each right is given for itself but those that the old letters tie together (RFC 4314 §2.1.1).
  const rights = isOwner ? told(RIGHTS) : `"" ${[...RIGHTS, 'c', 'd'].join(' ')}`
  session.out.line(`* LISTRIGHTS ${session.nameOut(place.path)} ${name(identifier)} ${rights}`)
})

export const myRights: Command = {
  name: 'MYRIGHTS',
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const path = session.nameIn(args.astring())
    args.end()
    writeMyRights(session, await session.needPlace(path))
    return {}
  },
}

/** Also behind LIST RETURN (MYRIGHTS) (RFC 8440). */
export function writeMyRights(session: Session, { path, rights }: Place): void {
  session.out.line(`* MYRIGHTS ${session.nameOut(path)} ${told(rights)}`)
}

const ANYONE = 'anyone'
const name = (identifier: string): string => astring(utf8(identifier))

/** With the letters of RFC 2086 for whoever has what they stood for. */
function told(rights: Rights): string {
  const old = `${/[kx]/.test(rights) ? 'c' : ''}${/[te]/.test(rights) ? 'd' : ''}`
  return string(rights + old)
}

/** Who an identifier stands for: an address of the owner's domain, or anyone in it. */
async function granteeOf(
  session: Session,
  place: Place,
  identifier: string,
  { ownerToo = false } = {},
): Promise<string> {
  const { directory } = session.services
  const owner = await directory.account(place.account)
  if (!owner) throw new Refused('There is no such mailbox', 'NONEXISTENT')
  if (identifier.toLowerCase() === ANYONE) return `@${domainOf(owner)}`
  if (identifier.startsWith('-')) throw new Refused('Rights are given, not forbidden: take them back instead', 'CANNOT')
  const normal = normalizeAddress(identifier)
  const found = normal && (await directory.resolve(normal.address))
  const account = found && found.kind !== 'catch-all' ? await directory.account(found.accountId) : undefined
  if (!account || account.erased || domainOf(account) !== domainOf(owner))
    throw new Refused('Folders are shared with accounts of the same domain, and with anyone in it', 'CANNOT')
  if (account.id === owner.id && !ownerToo) throw new Refused('The owner always has all rights', 'CANNOT')
  return account.id
}

/** `next` is given the rights that the grantee has now. */
async function share(session: Session, place: Place, grantee: string, next: (now: Rights) => Rights): Promise<void> {
  const { services } = session
  const owner = await services.directory.account(place.account)
  const now = owner?.grants?.find((grant) => grant.folderId === place.folder.id && grant.with === grantee)
  const command = {
    type: 'ShareFolder' as const,
    folderId: place.folder.id,
    with: grantee,
    rights: next(now?.rights ?? ''),
  }
  const outcome = await changeAccount(services.journal, session.context(), place.account, command)
  if (!outcome.ok) throw new Refused(outcome.refusal.message, outcome.refusal.code === 'too-many' ? 'LIMIT' : undefined)
  // From here on every session goes by it.
  await services.settle()
}
