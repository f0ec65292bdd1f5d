// APPEND (RFC 9051 §6.3.12) of one message or several (RFC 3502), binary ones too (RFC 3516 §4.4).
import { appendMessages, type MessageToAppend } from '../../../commands/append-message.ts'
import { derivedId } from '../../../commands/identity.ts'
import { readMail } from '../../../domain/mail/read.ts'
import { Refused } from '../errors.ts'
import { writeSet } from '../sequence-set.ts'
import type { Session } from '../session.ts'
import type { Answer, Command, CommandArguments, StoredMessage } from './command.ts'
import { readFlags } from './store.ts'

const MAX_MESSAGES = 200

interface Given {
  readonly flags: readonly string[]
  readonly at: number | undefined
  readonly message: Buffer | StoredMessage
}

export const append: Command = {
  name: 'APPEND',
  when: 'signed-in',
  async run(session, args): Promise<Answer> {
    args.space()
    const path = session.nameIn(args.astring())
    const given: Given[] = []
    do {
      given.push(readMessage(session, args))
      if (given.length > MAX_MESSAGES) throw new Refused(`One APPEND takes at most ${MAX_MESSAGES} messages`, 'LIMIT')
    } while (!args.atEnd())
    const { services, accountId } = session
    const folder = (await session.folders()).find(path)
    if (!folder) throw new Refused('There is no such mailbox', 'TRYCREATE')
    await checkQuota(session, given)
    const context = session.context()
    const messages: MessageToAppend[] = []
    const there = folder.role === 'sent' ? await justSent(session, folder.id) : new Map<string, number>()
    const uids: number[] = []
    for (const [i, { flags, at, message }] of given.entries()) {
      const mail = Buffer.isBuffer(message) ? readMail(message) : message.mail
      const known = there.get(mail.envelope.messageId ?? '')
      if (known !== undefined) {
        uids.push(known)
        continue
      }
      const stored = Buffer.isBuffer(message) ? { blob: await services.blobs.put(message), mail } : message
      messages.push({
        ...stored,
        messageId: derivedId('append', context.commandId, String(i)),
        folderId: folder.id,
        flags,
        receivedAt: at ?? services.now(),
        source: flags.includes('\\draft') ? 'draft' : 'append',
      })
    }
    if (messages.length > 0) {
      await session.reflect(await appendMessages(services.journal, context, accountId, messages))
      const ids = messages.map(({ messageId }) => messageId)
      for (const { uid } of await services.mailbox.messagesById(accountId, ids)) uids.push(uid)
    }
    uids.sort((a, b) => a - b)
    return uids.length > 0 ? { code: `APPENDUID ${folder.uidValidity} ${writeSet(uids)}` } : {}
  },
}

/** How far back a copy that the server keeps itself is looked for. */
const RECENT = 50

/** UIDs in Sent by Message-ID: what was sent through this server is there before the program uploads its own copy. */
async function justSent(session: Session, folderId: string): Promise<ReadonlyMap<string, number>> {
  const { rows } = await session.services.mailbox.messages(session.accountId, folderId, { first: RECENT })
  return new Map(
    rows.filter(({ messageIdHeader }) => messageIdHeader !== '').map((row) => [row.messageIdHeader, row.uid]),
  )
}

function readMessage(session: Session, args: CommandArguments): Given {
  args.space()
  let flags: readonly string[] = []
  if (args.peek() === '(') {
    flags = readFlags(args)
    args.space()
  }
  let at: number | undefined
  if (args.peek() === '"') {
    at = args.dateTime()
    args.space()
  }
  // RFC 6855 §4: `UTF8 (~{…}`.
  const wrapped = session.utf8 && args.peek().toUpperCase() === 'U'
  if (wrapped) {
    args.word()
    args.space()
    args.expect('(')
  }
  const literal = args.literal()
  if (wrapped) args.expect(')')
  const message = 'stored' in literal ? literal.stored : literal.bytes
  if (Buffer.isBuffer(message) && message.length === 0) throw new Refused('An empty message is none', 'CANNOT')
  return { flags, at, message }
}

async function checkQuota(session: Session, given: readonly Given[]): Promise<void> {
  const { services, accountId } = session
  const account = await services.directory.account(accountId)
  if (!account || account.quota === null) return
  const more = given.reduce(
    (sum, { message }) => sum + (Buffer.isBuffer(message) ? message.length : message.blob.size),
    0,
  )
  const { bytes } = await services.snapshots.usage(accountId)
  if (bytes + more > account.quota) throw new Refused('The mailbox is full', 'OVERQUOTA')
}
