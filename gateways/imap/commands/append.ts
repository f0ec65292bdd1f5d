// APPEND (RFC 9051 §6.3.12) of one message or several (RFC 3502), binary ones too (RFC 3516 §4.4), or put together (RFC 4469).
import { appendMessages, type MessageToAppend } from '../../../commands/append-message.ts'
import type { CommandContext } from '../../../commands/context.ts'
import { derivedId } from '../../../commands/identity.ts'
import { type Given, readGiven, storeGiven } from '../appending.ts'
import { Refused } from '../errors.ts'
import type { Place } from '../places.ts'
import { writeSet } from '../sequence-set.ts'
import type { Session } from '../session.ts'
import type { Answer, Command } from './command.ts'

const MAX_MESSAGES = 200

export const append: Command = {
  name: 'APPEND',
  when: 'signed-in',
  async run(session, args): Promise<Answer> {
    args.space()
    const path = session.nameIn(args.astring())
    const given: Given[] = []
    do {
      given.push(readGiven(session, args))
      if (given.length > MAX_MESSAGES) throw new Refused(`One APPEND takes at most ${MAX_MESSAGES} messages`, 'LIMIT')
    } while (!args.atEnd())
    const place = await session.needPlace(path, 'i', 'TRYCREATE')
    const context = session.context()
    const span = session.services.tracer?.begin('imap APPEND', context.correlationId, { messages: given.length })
    try {
      const uids = await appendGiven(session, place, given, context)
      span?.end()
      return uids.length > 0 ? { code: `APPENDUID ${place.folder.uidValidity} ${writeSet(uids)}` } : {}
    } catch (error) {
      span?.end(error)
      throw error
    }
  },
}

/** Answers the UIDs, ascending; none while the folder does not show the messages. */
async function appendGiven(
  session: Session,
  place: Place,
  given: readonly Given[],
  context: CommandContext,
): Promise<readonly number[]> {
  const { services } = session
  const { account, folder } = place
  const stored = await storeGiven(session, place, given)
  const messages: MessageToAppend[] = []
  const there = folder.role === 'sent' ? await justSent(session, place) : new Map<string, number>()
  const uids: number[] = []
  for (const [i, message] of stored.entries()) {
    const known = there.get(message.mail.envelope.messageId ?? '')
    if (known === undefined)
      messages.push({
        ...message,
        messageId: derivedId('append', context.commandId, String(i)),
        folderId: folder.id,
      })
    else uids.push(known)
  }
  if (messages.length > 0) {
    await session.reflect(await appendMessages(services.journal, context, account, messages), account)
    const ids = messages.map(({ messageId }) => messageId)
    const index = await services.live.of(account).index(folder.id)
    for (const id of ids) uids.push(index?.uidOf(id) ?? 0)
  }
  return uids.sort((a, b) => a - b)
}

/** How far back a copy that the server keeps itself is looked for. */
const RECENT = 50

/** UIDs in Sent by Message-ID: what was sent through this server is there before the program uploads its own copy. */
async function justSent(session: Session, { account, folder }: Place): Promise<ReadonlyMap<string, number>> {
  const { rows } = await (await session.viewed(account)).messages(account, folder.id, { first: RECENT })
  return new Map(
    rows.filter(({ messageIdHeader }) => messageIdHeader !== '').map((row) => [row.messageIdHeader, row.uid]),
  )
}
