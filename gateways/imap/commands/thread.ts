// THREAD and UID THREAD (RFC 5256).
import { BadCommand } from '../errors.ts'
import { CriteriaReader } from '../search/criteria.ts'
import { searchMailbox } from '../search/evaluate.ts'
import { idsOf, listedOf } from '../search/listed.ts'
import { byReferences, orderedSubject, writeThreads } from '../search/threads.ts'
import type { Answer, Command } from './command.ts'

export const thread: Command = {
  name: 'THREAD',
  when: 'selected',
  uid: true,
  async run(session, args, { byUid }): Promise<Answer> {
    args.space()
    const algorithm = args.word()
    if (algorithm !== 'REFERENCES' && algorithm !== 'ORDEREDSUBJECT')
      throw new BadCommand('Threads are made by REFERENCES or ORDEREDSUBJECT')
    args.space()
    const reader = new CriteriaReader(args, session.services.now())
    reader.charset(args.astring())
    args.space()
    const criterion = reader.keys()
    args.end()
    const rows = await searchMailbox(session, criterion)
    const listed = await listedOf(session, rows)
    const threads =
      algorithm === 'REFERENCES' ? byReferences(listed, await idsOf(session, rows)) : orderedSubject(listed)
    const text = writeThreads(threads, (uid) => (byUid ? uid : session.mailbox.sequenceOf(uid)))
    session.out.line(`* THREAD${text === '' ? '' : ` ${text}`}`)
    return { holdExpunges: !byUid }
  },
}
