// REPLACE and UID REPLACE (RFC 8508): a new message comes and an old one goes, in one commit.
import { appendMessages, replaceMessage } from '../../../commands/append-message.ts'
import { derivedId } from '../../../commands/identity.ts'
import { readGiven, storeGiven } from '../appending.ts'
import { BadCommand, Refused } from '../errors.ts'
import { demand } from '../places.ts'
import type { Answer, Command } from './command.ts'
import { expungeMessages as expunge } from './expunge.ts'

export const replace: Command = {
  name: 'REPLACE',
  when: 'selected',
  uid: true,
  async run(session, args, { byUid }): Promise<Answer> {
    args.space()
    const number = args.nonZero()
    args.space()
    const path = session.nameIn(args.astring())
    const given = readGiven(session, args)
    args.end()
    const { services } = session
    const selected = session.writable
    demand(selected, 'te')
    const uid = byUid ? number : selected.uids[number - 1]
    if (uid === undefined) throw new BadCommand('There is no message with this number')
    const place = await session.needPlace(path, 'i', 'TRYCREATE')
    const { account, folder } = place
    const old = (await selected.index())?.rowOf(uid)
    if (!old) throw new Refused('The message to be replaced is no longer there', byUid ? 'CANNOT' : 'EXPUNGEISSUED')
    const [stored] = await storeGiven(session, place, [given])
    if (!stored) throw new BadCommand('A message is missing')
    const context = session.context()
    const messageId = derivedId('append', context.commandId, '0')
    const message = { ...stored, messageId, folderId: folder.id }
    if (account === selected.account) {
      const revision = await replaceMessage(services.journal, context, account, { message, oldId: old.id })
      await session.reflect(revision, account)
    } else {
      // Two mailboxes are two commits: what was to be replaced goes last.
      await session.reflect(await appendMessages(services.journal, context, account, [message]), account)
      await expunge(session, selected, [old.id])
    }
    const newUid = (await services.live.of(account).index(folder.id))?.uidOf(messageId)
    // RFC 8508 §4.3: told before the departure that follows.
    if (newUid) session.out.line(`* OK [APPENDUID ${folder.uidValidity} ${newUid}] Replaced`)
    return {}
  },
}
