// LIST and LSUB (RFC 9051 §6.3.9, RFC 3501 §6.3.9), with RFC 5258's options, RFC 5819's STATUS, RFC 6154's uses
// RFC 8440's rights and RFC 9590's annotations.
import { readAnnotations, writeAnnotations } from '../annotations.ts'
import { BadCommand } from '../errors.ts'
import { DELIMITER, matcher, SPECIAL_USE } from '../names.ts'
import { type Place, parentsOf } from '../places.ts'
import type { Session } from '../session.ts'
import { writeMyRights } from './acl.ts'
import type { Command, CommandArguments } from './command.ts'
import { NO_OPTIONS, readEntries, words } from './metadata.ts'
import { readStatusItems, type StatusItem, writeStatus } from './status.ts'

interface ListOptions {
  readonly selection: ReadonlySet<string>
  readonly returns: ReadonlySet<string>
  readonly status: readonly StatusItem[] | undefined
  /** Entries of RETURN (METADATA …) (RFC 9590). */
  readonly metadata: readonly string[] | undefined
}

const SELECTION = new Set(['SUBSCRIBED', 'REMOTE', 'RECURSIVEMATCH', 'SPECIAL-USE'])
const RETURNS = new Set(['SUBSCRIBED', 'CHILDREN', 'SPECIAL-USE', 'MYRIGHTS'])
const MAX_PATTERNS = 20

export const list: Command = {
  name: 'LIST',
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const selection = args.peek() === '(' ? readSelection(args) : new Set<string>()
    const reference = session.nameIn(args.astring())
    args.space()
    const patterns = args.peek() === '(' ? args.list(() => args.listMailbox()) : [args.listMailbox()]
    const { returns, status, metadata } = readReturns(args)
    args.end()
    if (patterns.length > MAX_PATTERNS) throw new BadCommand('Too many patterns')
    const options: ListOptions = { selection, returns, status, metadata }
    if (patterns.length === 1 && patterns[0] === '') {
      session.out.line(`* LIST (\\Noselect) "${DELIMITER}" ""`)
      return {}
    }
    await listMatching(session, reference, patterns, options)
    return {}
  },
}

/** What clients of RFC 3501 ask: subscribed ones, and `%` shows a parent of one as \Noselect. */
export const lsub: Command = {
  name: 'LSUB',
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const reference = session.nameIn(args.astring())
    args.space()
    const pattern = session.nameIn(args.listMailbox())
    args.end()
    const matches = matcher(reference + pattern)
    const subscribed = (await session.places()).filter((place) => isSubscribed(session, place))
    const shown = new Set<string>()
    for (const { path } of subscribed) {
      if (matches(path)) shown.add(path)
      else if (pattern.endsWith('%')) for (const above of parentsOf(path)) if (matches(above)) shown.add(above)
    }
    for (const path of shown) {
      const own = subscribed.some((each) => each.path === path)
      session.out.line(`* LSUB (${own ? '' : '\\Noselect'}) "${DELIMITER}" ${session.nameOut(path)}`)
    }
    return {}
  },
}

function readSelection(args: CommandArguments): ReadonlySet<string> {
  const options = new Set(args.list(() => args.word(), true))
  for (const option of options) if (!SELECTION.has(option)) throw new BadCommand(`There is no option ${option}`)
  if (options.has('RECURSIVEMATCH') && !options.has('SUBSCRIBED') && !options.has('SPECIAL-USE'))
    throw new BadCommand('RECURSIVEMATCH needs another option')
  args.space()
  return options
}

function readReturns(args: CommandArguments): Omit<ListOptions, 'selection'> {
  const returns = new Set<string>()
  let status: readonly StatusItem[] | undefined
  let metadata: readonly string[] | undefined
  if (args.taken(' ')) {
    if (args.word() !== 'RETURN') throw new BadCommand('Expected RETURN')
    args.space()
    args.list(() => {
      const option = args.word()
      if (option === 'STATUS') {
        args.space()
        status = readStatusItems(args)
      } else if (option === 'METADATA') {
        args.space()
        metadata = readEntries(words(args))
      } else if (RETURNS.has(option)) returns.add(option)
      else throw new BadCommand(`There is no option ${option}`)
    }, true)
  }
  return { returns, status, metadata }
}

async function listMatching(
  session: Session,
  reference: string,
  patterns: readonly string[],
  { selection, returns, status, metadata }: ListOptions,
): Promise<void> {
  const places = await session.places()
  const matchers = patterns.map((pattern) => matcher(reference + session.nameIn(pattern)))
  const matched = (path: string) => matchers.some((matches) => matches(path))
  const chosen = (place: Place) =>
    (!selection.has('SUBSCRIBED') || isSubscribed(session, place)) &&
    (!selection.has('SPECIAL-USE') || useOf(session, place) !== undefined)
  const recursive = selection.has('RECURSIVEMATCH')
  const above = new Set(recursive ? places.filter(chosen).flatMap(({ path }) => parentsOf(path)) : [])
  for (const place of places) {
    const { path } = place
    if (!matched(path)) continue
    const itself = chosen(place)
    const hasBelow = recursive && above.has(path)
    if (!itself && !hasBelow) continue
    const attributes = [place.hasChildren ? '\\HasChildren' : '\\HasNoChildren']
    const tellsSubscribed = selection.has('SUBSCRIBED') || returns.has('SUBSCRIBED')
    if (tellsSubscribed && isSubscribed(session, place)) attributes.push('\\Subscribed')
    const use = useOf(session, place)
    if (use !== undefined) attributes.push(use)
    const childInfo = hasBelow ? ' ("CHILDINFO" ("SUBSCRIBED"))' : ''
    session.out.line(`* LIST (${attributes.join(' ')}) "${DELIMITER}" ${session.nameOut(path)}${childInfo}`)
    if (returns.has('MYRIGHTS') && itself) writeMyRights(session, place)
    if (metadata && itself && place.rights.includes('r')) {
      const { found } = await readAnnotations(session, place, { ...NO_OPTIONS, entries: metadata })
      writeAnnotations(session, session.nameOut(path), found)
    }
    if (status && itself && place.rights.includes('r')) await writeStatus(session, place, status)
  }
  if (selection.has('SUBSCRIBED') || selection.has('SPECIAL-USE')) return
  for (const path of levels(session, places))
    if (matched(path)) session.out.line(`* LIST (\\Noselect \\HasChildren) "${DELIMITER}" ${session.nameOut(path)}`)
}

/** What others share is subscribed for good; what it is used for is the owner's affair. */
const isSubscribed = ({ accountId }: Session, { account, folder }: Place): boolean =>
  account !== accountId || folder.subscribed

const useOf = ({ accountId }: Session, { account, folder }: Place): string | undefined =>
  account !== accountId || folder.role === null ? undefined : SPECIAL_USE[folder.role]

/** Levels above shared mailboxes that are none themselves, or may not be seen. */
function levels(session: Session, places: readonly Place[]): ReadonlySet<string> {
  const shared = places.filter(({ account }) => account !== session.accountId)
  const known = new Set(places.map(({ path }) => path))
  return new Set(shared.flatMap(({ path }) => parentsOf(path)).filter((path) => !known.has(path)))
}
