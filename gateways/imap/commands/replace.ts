// REPLACE and UID REPLACE (RFC 8508): a new message comes and an old one goes, in one commit.
import { replaceMessage } from '../../../commands/append-message.ts'
import { derivedId } from '../../../commands/identity.ts'
import { readGiven, storeGiven } from '../appending.ts'
import { BadCommand, Refused } from '../errors.ts'
import type { Answer, Command } from './command.ts'

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
    const { services, accountId } = session
    const selected = session.writable
    const uid = byUid ? number : selected.uids[number - 1]
    if (uid === undefined) throw new BadCommand('There is no message with this number')
    const folder = (await session.folders()).find(path)
    if (!folder) throw new Refused('There is no such mailbox', 'TRYCREATE')
    const old = (await selected.index())?.rowOf(uid)
    if (!old) throw new Refused('The message to be replaced is no longer there', byUid ? 'CANNOT' : 'EXPUNGEISSUED')
    const [stored] = await storeGiven(session, [given])
    if (!stored) throw new BadCommand('A message is missing')
    const context = session.context()
    const messageId = derivedId('append', context.commandId, '0')
    const message = { ...stored, messageId, folderId: folder.id }
    await session.reflect(await replaceMessage(services.journal, context, accountId, { message, oldId: old.id }))
    const newUid = (await services.live.of(accountId).index(folder.id))?.uidOf(messageId)
    // RFC 8508 §4.3: told before the departure that follows.
    if (newUid) session.out.line(`* OK [APPENDUID ${folder.uidValidity} ${newUid}] Replaced`)
    return {}
  },
}
