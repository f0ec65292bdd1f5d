// Annotations of mailboxes and of the server (RFC 5464): /private ones are kept by whoever sets them, /shared ones by the mailbox's owner.
import { changeAccount } from '../../commands/change-account.ts'
import type { DirectoryAccount } from '../../commands/ports/views.ts'
import { entryName, MAX_ANNOTATION_BYTES } from '../../domain/account/sharing.ts'
import { type AccountId, accountStream } from '../../domain/log.ts'
import { BadCommand, Refused } from './errors.ts'
import { demand, domainOf, type Place } from './places.ts'
import { string } from './respond/strings.ts'
import type { Session } from './session.ts'

export interface Wanted {
  /** Lowercase. */
  readonly entries: readonly string[]
  /** Whether entries below the named ones are wanted too: children, or all. */
  readonly depth: '0' | '1' | 'infinity'
  /** Bytes of one value; longer ones are left out. */
  readonly maxSize: number
}

export interface Annotation {
  readonly entry: string
  /** Undefined for an entry that was named and has no value. */
  readonly value: Buffer | undefined
}

export interface Change {
  readonly entry: string
  /** Null takes it away. */
  readonly value: Buffer | null
}

export function entryOf(written: string): string {
  const entry = entryName(written)
  if (entry === undefined) throw new BadCommand('An entry is a path under /private or /shared, without wildcards')
  return entry
}

/** What is asked for, and the length of the longest value that was left out. `place` is undefined for the server. */
export async function readAnnotations(
  session: Session,
  place: Place | undefined,
  { entries, depth, maxSize }: Wanted,
): Promise<{ readonly found: readonly Annotation[]; readonly longest: number }> {
  const known = await knownOf(session, place)
  const found: Annotation[] = []
  let longest = 0
  for (const name of entries) {
    const here = known.filter(({ entry }) => entry === name || isBelow(entry, name, depth))
    if (!here.some(({ entry }) => entry === name) && depth === '0') found.push({ entry: name, value: undefined })
    for (const { entry, bytes, read } of here) {
      if (found.some((each) => each.entry === entry)) continue
      if (bytes > maxSize) longest = Math.max(longest, bytes)
      else found.push({ entry, value: await read() })
    }
  }
  return { found, longest }
}

function isBelow(entry: string, name: string, depth: Wanted['depth']): boolean {
  if (depth === '0' || !entry.startsWith(`${name}/`)) return false
  return depth === 'infinity' || !entry.slice(name.length + 1).includes('/')
}

interface Known {
  readonly entry: string
  readonly bytes: number
  read(): Promise<Buffer | undefined>
}

async function knownOf(session: Session, place: Place | undefined): Promise<readonly Known[]> {
  const { directory } = session.services
  const self = await directory.account(session.accountId)
  const owner = place === undefined ? undefined : await directory.account(place.account)
  const folderId = place?.folder.id ?? null
  return [
    ...keptBy(session, self, folderId, '/private/'),
    ...keptBy(session, owner, folderId, '/shared/'),
    ...(place === undefined && self ? serverEntries(self) : []),
  ]
}

function keptBy(
  session: Session,
  account: DirectoryAccount | undefined,
  folderId: string | null,
  kind: string,
): readonly Known[] {
  const all = account?.annotations ?? []
  return all
    .filter((each) => each.folderId === folderId && each.entry.startsWith(kind))
    .map(({ entry, bytes, revision }) => ({
      entry,
      bytes,
      read: () => valueAt(session, account?.id ?? '', revision),
    }))
}

/** Of the server only one entry has a value, and nobody may change it (RFC 5464 §6.2.1). */
function serverEntries(self: DirectoryAccount): readonly Known[] {
  const value = Buffer.from(`mailto:postmaster@${domainOf(self)}`)
  return [{ entry: '/shared/admin', bytes: value.length, read: async () => value }]
}

/** The directory knows where values are: their bytes would make every look at an account slow. */
async function valueAt({ services }: Session, account: AccountId, revision: bigint): Promise<Buffer | undefined> {
  for await (const event of services.journal.readStream(accountStream(account), { from: revision, limit: 1 })) {
    if (!('redacted' in event) && event.type === 'AnnotationChanged' && event.data.value !== null)
      return Buffer.from(event.data.value, 'base64')
  }
  return undefined
}

/** Sets them; of one account all or none. */
export async function changeAnnotations(
  session: Session,
  place: Place | undefined,
  changes: readonly Change[],
): Promise<void> {
  const [shared, own] = [true, false].map((which) =>
    changes.filter(({ entry }) => entry.startsWith('/shared/') === which),
  ) as [Change[], Change[]]
  if (shared.length > 0 && !place) throw new Refused('What the server says of itself is not yours to change', 'NOPERM')
  if (place) demand(place, shared.length > 0 ? 'lrw' : 'lr')
  if (place && shared.length > 0) await change(session, place.account, place, shared)
  if (own.length > 0) await change(session, session.accountId, place, own)
  await session.services.settle()
}

async function change(
  session: Session,
  account: AccountId,
  place: Place | undefined,
  changes: readonly Change[],
): Promise<void> {
  const folderId = place?.folder.id ?? null
  const command = {
    type: 'ChangeAnnotations' as const,
    changes: changes.map(({ entry, value }) => ({ folderId, entry, value: value?.toString('base64') ?? null })),
  }
  const { journal } = session.services
  let outcome = await changeAccount(journal, session.context(), account, command)
  if (!outcome.ok && outcome.refusal.code === 'too-many' && (await dropOrphans(session, account)))
    outcome = await changeAccount(journal, session.context(), account, command)
  if (outcome.ok) return
  const { code, message } = outcome.refusal
  throw new Refused(
    message,
    code === 'too-many'
      ? 'METADATA TOOMANY'
      : code === 'bad-value'
        ? `METADATA MAXSIZE ${MAX_ANNOTATION_BYTES}`
        : undefined,
  )
}

/** Room that annotations of folders take that are gone: whether there was any. */
async function dropOrphans(session: Session, account: AccountId): Promise<boolean> {
  const { services } = session
  if (account !== session.accountId) return false
  const all = (await services.directory.account(account))?.annotations ?? []
  const changes: { folderId: string; entry: string; value: null }[] = []
  const live = new Set((await session.places()).map(({ folder }) => folder.id))
  for (const { folderId, entry } of all)
    if (folderId !== null && !live.has(folderId)) changes.push({ folderId, entry, value: null })
  if (changes.length === 0) return false
  return (await changeAccount(services.journal, session.context(), account, { type: 'ChangeAnnotations', changes })).ok
}

/** `* METADATA mailbox (entry value …)`; nothing when there is nothing to tell. */
export function writeAnnotations({ out }: Session, name: string, found: readonly Annotation[]): void {
  if (found.length === 0) return
  const parts = found.map(({ entry, value }) => `${entry} ${value === undefined ? 'NIL' : written(value)}`)
  out.line(`* METADATA ${name} (${parts.join(' ')})`)
}

const written = (value: Buffer): string =>
  value.includes(0) ? `~{${value.length}}\r\n${value.toString('latin1')}` : string(value.toString('latin1'))
