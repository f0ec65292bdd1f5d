// Messages of one account copied into a folder of another: bytes and all, since each account's are sealed under its own key.
import { appendMessages, type MessageToAppend } from '../../commands/append-message.ts'
import { derivedId } from '../../commands/identity.ts'
import { storeMail } from '../../commands/store-mail.ts'
import { mailboxStream } from '../../domain/log.ts'
import type { UidRow } from '../../projections/queries.ts'
import { Refused } from './errors.ts'
import { OpenMessage } from './message.ts'
import { type Place, permitted } from './places.ts'
import type { Session } from './session.ts'

/** More at once would keep a client waiting for minutes: it may copy in parts. */
const MAX_MESSAGES = 5_000
const OPENED = 20

/** All or none; pairs of the UID and the new message's id. Refuses what would not fit into the other account. */
export async function copyAcross(
  session: Session,
  uids: readonly number[],
  { account, folder, rights }: Place,
): Promise<readonly { readonly from: number; readonly id: string }[]> {
  const { services, mailbox: selected } = session
  if (uids.length > MAX_MESSAGES)
    throw new Refused(`At most ${MAX_MESSAGES} messages at once go to somebody else's mailbox`, 'LIMIT')
  const rows: UidRow[] = []
  for await (const some of selected.rows(uids)) rows.push(...some)
  const quota = (await services.directory.account(account))?.quota ?? null
  const more = rows.reduce((sum, { size }) => sum + size, 0)
  if (quota !== null && (await services.snapshots.usage(account)).bytes + more > quota)
    throw new Refused('The mailbox is full', 'OVERQUOTA')
  const context = session.context()
  const messages: MessageToAppend[] = []
  const pairs: { from: number; id: string }[] = []
  for (let i = 0; i < rows.length; i += OPENED) {
    session.progress.step(i, rows.length)
    const some = rows.slice(i, i + OPENED)
    const opened = await OpenMessage.openAll(services, mailboxStream(selected.account), some)
    for (const row of some) {
      const message = opened.get(row.uid)
      if (!message) continue
      const messageId = derivedId('copy', context.commandId, row.id)
      const flags = permitted(rights, row.flags)
      const { receivedAt } = row
      const stored = await storeMail(services.blobs, message.stream(0, message.size))
      messages.push({ ...stored, messageId, folderId: folder.id, flags, receivedAt, source: 'append' })
      pairs.push({ from: row.uid, id: messageId })
    }
  }
  if (messages.length > 0)
    await session.reflect(await appendMessages(services.journal, context, account, messages), account)
  return pairs
}
