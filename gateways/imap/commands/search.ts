// SEARCH and UID SEARCH (RFC 9051 §6.4.4, RFC 4731 ESEARCH, RFC 5182 SEARCHRES, RFC 7162 §3.1.5), CANCELUPDATE (RFC 5267 §4.3.5).
import type { UidRow } from '../../../projections/queries.ts'
import { BadCommand } from '../errors.ts'
import type { FetchItem } from '../fetch-items.ts'
import { quoted } from '../respond/strings.ts'
import { CriteriaReader, type Criterion } from '../search/criteria.ts'
import { asksFor, frozen, searchMailbox } from '../search/evaluate.ts'
import { highest, type ResultOptions, readResultOptions, save, writeExtended } from '../search/results.ts'
import type { Session } from '../session.ts'
import type { Answer, Command, CommandArguments } from './command.ts'

export const search: Command = {
  name: 'SEARCH',
  when: 'selected',
  uid: true,
  async run(session, args, { byUid, tag }): Promise<Answer> {
    args.space()
    const { options, criterion } = readSearch(session, args)
    args.end()
    const { contexts } = session.mailbox
    if (options?.update && contexts.has(tag)) throw new BadCommand('This tag names a search that is kept up to date')
    const modseq = asksFor(criterion, 'modseq')
    if (modseq) session.enabled.add('CONDSTORE')
    const rows = await searchMailbox(session, criterion)
    if (options?.update) keep(session, criterion, rows, { tag, byUid, fetch: options.updateFetch })
    if (options?.save) save(session, rows, options)
    const extended = options ?? (session.rev2 || session.enabled.has('UIDONLY') ? PLAIN : undefined)
    if (extended) {
      const told = extended.min || extended.max || extended.count || extended.all || extended.partial
      if (told) writeExtended(session, rows, extended, { tag, byUid, ordered: false, modseq })
    } else {
      const numbers = byUid ? rows.map(({ uid }) => uid) : session.mailbox.sequencesOf(rows)
      const newest = modseq && rows.length > 0 ? ` (MODSEQ ${highest(rows)})` : ''
      session.out.line(`* SEARCH${numbers.length > 0 ? ` ${numbers.join(' ')}` : ''}${newest}`)
    }
    return { holdExpunges: !byUid }
  },
}

/** What IMAP4rev2 answers to a SEARCH without RETURN. */
const PLAIN: ResultOptions = {
  min: false,
  max: false,
  count: false,
  all: true,
  save: false,
  update: false,
  updateFetch: [],
  partial: undefined,
}

function readSearch(
  session: Session,
  args: CommandArguments,
): { readonly options: ResultOptions | undefined; readonly criterion: Criterion } {
  const reader = new CriteriaReader(args, session.services.now())
  let options: ResultOptions | undefined
  if (args.lookingAt('RETURN')) {
    args.word()
    options = readResultOptions(args, { mayUpdate: true })
    args.space()
  }
  if (args.lookingAt('CHARSET')) {
    args.word()
    args.space()
    reader.charset(args.astring())
    args.space()
  }
  return { options, criterion: reader.keys() }
}

/** RFC 5267 §4.3: what changes about the result is told, or that it will not be. */
function keep(
  session: Session,
  criterion: Criterion,
  rows: readonly UidRow[],
  how: { readonly tag: string; readonly byUid: boolean; readonly fetch: readonly FetchItem[] },
): void {
  const uids = rows.map(({ uid }) => uid)
  if (!session.mailbox.contexts.add(how, frozen(session, criterion), uids))
    session.out.line(`* NO [NOUPDATE ${quoted(how.tag)}] Too many searches are kept up to date`)
}

export const cancelUpdate: Command = {
  name: 'CANCELUPDATE',
  when: 'selected',
  run(session, args) {
    const tags: string[] = []
    do {
      args.space()
      tags.push(args.astring())
    } while (!args.atEnd())
    const { contexts } = session.mailbox
    if (!tags.every((tag) => contexts.has(tag))) throw new BadCommand('There is no search with this tag')
    for (const tag of tags) contexts.cancel(tag)
    return { text: 'No further updates' }
  },
}
