// SEARCH and UID SEARCH (RFC 9051 §6.4.4, RFC 4731 ESEARCH, RFC 5182 SEARCHRES, RFC 7162 §3.1.5).

import { CriteriaReader, type Criterion } from '../search/criteria.ts'
import { searchMailbox } from '../search/evaluate.ts'
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
    const modseq = asksForModseq(criterion)
    if (modseq) session.enabled.add('CONDSTORE')
    const rows = await searchMailbox(session, criterion)
    if (options?.save) save(session, rows, options)
    const extended = options ?? (session.rev2 || session.enabled.has('UIDONLY') ? PLAIN : undefined)
    if (extended) {
      const told = extended.min || extended.max || extended.count || extended.all || extended.partial
      if (told) writeExtended(session, rows, extended, { tag, byUid, ordered: false, modseq })
    } else {
      const numbers = rows.map(({ uid }) => (byUid ? uid : session.mailbox.sequenceOf(uid)))
      const newest = modseq && rows.length > 0 ? ` (MODSEQ ${highest(rows)})` : ''
      session.out.line(`* SEARCH${numbers.map((number) => ` ${number}`).join('')}${newest}`)
    }
    return { holdExpunges: !byUid }
  },
}

/** What IMAP4rev2 answers to a SEARCH without RETURN. */
const PLAIN: ResultOptions = { min: false, max: false, count: false, all: true, save: false, partial: undefined }

function readSearch(
  session: Session,
  args: CommandArguments,
): { readonly options: ResultOptions | undefined; readonly criterion: Criterion } {
  const reader = new CriteriaReader(args, session.services.now())
  let options: ResultOptions | undefined
  if (args.lookingAt('RETURN')) {
    args.word()
    options = readResultOptions(args)
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

function asksForModseq(criterion: Criterion): boolean {
  if (criterion.kind === 'and' || criterion.kind === 'or') return criterion.of.some(asksForModseq)
  return criterion.kind === 'not' ? asksForModseq(criterion.of) : criterion.kind === 'modseq'
}
