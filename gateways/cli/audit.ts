// everpost audit …: what happened to a mailbox, and what it held at any moment.

import { isRedacted, type Position } from '../../domain/log.ts'
import type { SourceEvent } from '../../projections/ports/event-source.ts'
import type { FolderRow, MailboxQueries, MessageRow } from '../../projections/queries.ts'
import { describeEvent } from '../history/describe.ts'
import { accountNamed, parse, printable, printJson, printTable, words } from './arguments.ts'
import { ACCESS, recordAccess } from './audit-proofs.ts'
import { type CliIo, CliRefusal, type CliServices, CliUsage } from './services.ts'

const PAGE = 1000

export async function auditHistory(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { ...ACCESS, message: { type: 'string' }, json: { type: 'boolean' } })
  const [address = ''] = words(positionals, ['ADDRESS'])
  const account = await accountNamed(services, address)
  const what = values.message === undefined ? 'history' : `history of message ${values.message}`
  await recordAccess(services, values, account, what)
  const positions =
    values.message === undefined
      ? await everyPosition(services, account.id)
      : await services.timeline.messageHistory(account.id, values.message)
  if (values.message !== undefined && positions.length === 0) {
    throw new CliRefusal(`${account.address} never had a message ${values.message}.`)
  }
  if (values.json) io.out('[')
  let first = true
  for (let at = 0; at < positions.length; at += PAGE) {
    io.signal.throwIfAborted()
    for (const event of await services.source.readPositions(positions.slice(at, at + PAGE))) {
      if (values.json) {
        io.out(`${first ? '' : ',\n'}${JSON.stringify(entryOf(event))}`)
        first = false
      } else {
        io.out(`${lineOf(event)}\n`)
      }
    }
  }
  if (values.json) io.out(']\n')
}

async function everyPosition(services: CliServices, account: string): Promise<readonly Position[]> {
  const all: Position[] = []
  for (let after: Position | undefined; ; after = all.at(-1)) {
    const page = await services.timeline.accountHistory(account, { first: PAGE, after })
    all.push(...page)
    if (page.length < PAGE) return all
  }
}

function entryOf(event: SourceEvent) {
  const { id, stream, revision, position, type } = event
  const where = { eventId: id, stream, revision: `${revision}`, position: `${position}`, type }
  if (isRedacted(event)) return { ...where, redacted: true, summary: describeEvent(event) }
  const { at, actor, via, client, correlationId, causationId } = event.metadata
  return {
    ...where,
    at: new Date(at).toISOString(),
    actor,
    via,
    client: client ?? null,
    correlationId,
    causationId,
    summary: describeEvent(event),
  }
}

function lineOf(event: SourceEvent): string {
  if (isRedacted(event)) return `#${event.position}  erased`
  const { at, actor, via, client } = event.metadata
  const from = client?.address ? ` from ${client.address}` : ''
  return `${new Date(at).toISOString()}  #${event.position}  ${printable(describeEvent(event))}  (${actor} by ${via}${from})`
}

export async function auditAt(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { ...ACCESS, folder: { type: 'string' }, json: { type: 'boolean' } })
  const [address = '', time = ''] = words(positionals, ['ADDRESS', 'TIME'])
  const at = Date.parse(time)
  if (Number.isNaN(at)) throw new CliUsage(`${time} is not a time such as 2026-03-01T09:00:00Z.`)
  const account = await accountNamed(services, address)
  await recordAccess(services, values, account, `mailbox at ${new Date(at).toISOString()}`)
  const moment = await services.mailboxAt(account.id, { time: at })
  const folders = await moment.queries.folders(account.id)
  const chosen = values.folder === undefined ? folders : [folderNamed(folders, values.folder)]
  const rows: MessageRow[] = []
  for (const folder of chosen) rows.push(...(await everyMessage(moment.queries, account.id, folder.id, io.signal)))
  if (values.json) return printJson(io, rows.map(listed))
  const names = new Map(folders.map(({ id, name }) => [id, name]))
  if (moment.revision === undefined)
    return io.out(`${account.address} had no mailbox yet at ${new Date(at).toISOString()}.\n`)
  printTable(
    io,
    ['FOLDER', 'UID', 'RECEIVED', 'FLAGS', 'FROM', 'SUBJECT'],
    rows.map((row) => [
      names.get(row.folderId) ?? '',
      `${row.uid}`,
      new Date(row.receivedAt).toISOString(),
      row.flags.join(' '),
      row.from[0]?.name ?? row.from[0]?.address ?? '',
      row.subject,
    ]),
  )
  io.out(`${rows.length} messages at ${new Date(at).toISOString()}, mailbox revision ${moment.revision}.\n`)
}

function folderNamed(folders: readonly FolderRow[], name: string): FolderRow {
  const key = name.toLowerCase()
  const found = folders.find((folder) => folder.name.toLowerCase() === key || folder.id === name || folder.role === key)
  if (!found)
    throw new CliRefusal(
      `There was no folder ${name} then; there were ${folders.map((folder) => folder.name).join(', ') || 'none'}.`,
    )
  return found
}

async function everyMessage(
  queries: MailboxQueries,
  account: string,
  folder: string,
  signal: AbortSignal,
): Promise<MessageRow[]> {
  const rows: MessageRow[] = []
  for (let after: string | undefined; ; ) {
    signal.throwIfAborted()
    const page = await queries.messages(account, folder, { first: 500, after })
    rows.push(...page.rows)
    if (page.next === null) return rows
    after = page.next
  }
}

/** A message as every list of Everpost shows it. */
export function listed(row: MessageRow) {
  const { id, folderId, uid, threadId, subject, from, to, size, flags, snippet, hasAttachment } = row
  return {
    id,
    folderId,
    uid,
    threadId,
    subject,
    from,
    to,
    date: row.date === null ? null : new Date(row.date).toISOString(),
    receivedAt: new Date(row.receivedAt).toISOString(),
    size,
    flags,
    snippet,
    hasAttachment,
  }
}
