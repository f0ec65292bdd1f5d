// Every intent about folders and messages: load, fold, decide, append, answer.
import type { AccountId, Revision } from '../domain/log.ts'
import { mailboxStream } from '../domain/log.ts'
import {
  decide,
  emptyMailbox,
  evolve,
  type Mailbox,
  type MailboxCommand,
  type MailboxEvent,
  type MailboxRefusal,
} from '../domain/mailbox/mailbox.ts'
import { type CommandContext, type Outcome, refused, toNewEvents } from './context.ts'
import { EventStoreError, type ExpectedRevision } from './ports/event-store.ts'
import type { Journal } from './ports/journal.ts'
import type { MailboxSnapshots } from './ports/views.ts'

export interface MailboxPorts {
  readonly journal: Journal
  readonly snapshots: MailboxSnapshots
}

/** `revision` is the mailbox's last revision that includes the change: pass it as `atLeast` to read your own write. */
export type MailboxOutcome = Outcome<
  { readonly revision: Revision; readonly events: readonly MailboxEvent[] },
  MailboxRefusal['code'] | 'busy'
>

export const MAX_MESSAGES_PER_COMMAND = 10_000
const ATTEMPTS = 10

/**
 * Runs one command. Folder changes expect the exact revision that was decided on, since names must stay unique; a flag or a move
 * is right at any revision, because its fold is (domain/mailbox: the last move wins, what is gone stays gone).
 */
export async function changeMailbox(
  ports: MailboxPorts,
  context: CommandContext,
  account: AccountId,
  command: MailboxCommand,
): Promise<MailboxOutcome> {
  const wanted = messagesOf(command)
  if (wanted.length > MAX_MESSAGES_PER_COMMAND) {
    return refused('too-many', `A command takes at most ${MAX_MESSAGES_PER_COMMAND} messages: send several.`)
  }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { state, revision } = await loadMailbox(ports, account, wanted, { toTheEnd: aboutFolders(command) })
    const decision = decide(command, state)
    if ('refused' in decision) return { ok: false, refusal: decision.refused }
    if (decision.events.length === 0) return { ok: true, revision: revision ?? 0n, events: [] }
    const expected = aboutFolders(command) ? (revision ?? 'no-stream') : 'any'
    let last: Revision | undefined
    for (const part of parts(command, context)) {
      const decided = decide(part.command, state)
      if ('refused' in decided || decided.events.length === 0) continue
      last = await append(ports.journal, part.context, account, expected, decided.events)
    }
    if (last !== undefined) return { ok: true, revision: last, events: decision.events }
  }
  return refused('busy', 'The mailbox is changing too fast just now: try again.')
}

/**
 * The revision, undefined when the stream has moved on. A retry that would now decide otherwise than the first time, because others
 * have been busy since, finds its ids in the stream: it was done then, and is not done again.
 */
async function append(
  journal: Journal,
  context: CommandContext,
  account: AccountId,
  expected: ExpectedRevision,
  events: readonly MailboxEvent[],
): Promise<Revision | undefined> {
  const stream = mailboxStream(account)
  try {
    const result = await journal.append({ stream, expected, events: toNewEvents(events, account, context) })
    return result.ok ? result.revision : undefined
  } catch (error) {
    if (!(error instanceof EventStoreError) || error.code !== 'id-reused') throw error
    return journal.lastRevision(stream)
  }
}

/** Messages of one append: one event each at most, and an append takes 1,000. */
const MESSAGES_PER_APPEND = 1_000

/** A command about more messages than one append holds, in parts with names of their own: interrupted, a retry does what is left. */
function parts(
  command: MailboxCommand,
  context: CommandContext,
): readonly { readonly command: MailboxCommand; readonly context: CommandContext }[] {
  const about = messagesOf(command).length
  if (about <= MESSAGES_PER_APPEND) return [{ command, context }]
  const cut = <T>(all: readonly T[]) =>
    Array.from({ length: Math.ceil(all.length / MESSAGES_PER_APPEND) }, (_, i) =>
      all.slice(i * MESSAGES_PER_APPEND, (i + 1) * MESSAGES_PER_APPEND),
    )
  const commands: readonly MailboxCommand[] =
    'messageIds' in command
      ? cut([...new Set(command.messageIds)]).map((messageIds) => ({ ...command, messageIds }))
      : 'copies' in command
        ? cut(command.copies).map((copies) => ({ ...command, copies }))
        : [command]
  return commands.map((part, i) => ({ command: part, context: { ...context, commandId: `${context.commandId}/${i}` } }))
}

/** Folders and the wanted messages as of the newest event: the views' answer with the tail of the stream folded onto it. */
export async function loadMailbox(
  { journal, snapshots }: MailboxPorts,
  account: AccountId,
  wanted: readonly string[],
  { toTheEnd = true }: { readonly toTheEnd?: boolean } = {},
): Promise<{ readonly state: Mailbox; readonly revision: Revision | undefined }> {
  const snapshot = await snapshots.snapshot(account, wanted)
  let state: Mailbox =
    snapshot.revision === undefined
      ? emptyMailbox
      : {
          folders: new Map(snapshot.folders.map((folder) => [folder.id, folder])),
          messages: new Map(snapshot.messages.map((message) => [message.id, message])),
        }
  let revision = snapshot.revision
  if (snapshot.current && !toTheEnd) return { state, revision }
  const asked = new Set(wanted)
  for await (const event of journal.readStream(mailboxStream(account), { from: (revision ?? -1n) + 1n })) {
    revision = event.revision
    if ('redacted' in event) continue
    if (concerns(event as MailboxEvent, asked)) state = evolve(state, event as MailboxEvent, event.revision)
  }
  return { state, revision }
}

/** Keeps the fold of a long tail small: other people's arrivals and flags do not matter to this command. */
function concerns(event: MailboxEvent, asked: ReadonlySet<string>): boolean {
  switch (event.type) {
    case 'MessageReceived':
    case 'MessageAppended':
    case 'MessageMoved':
    case 'MessageRestored':
      return asked.has(event.data.messageId)
    case 'MessageCopied':
      return asked.has(event.data.messageId) || asked.has(event.data.copyId)
    case 'FlagsChanged':
    case 'MessagesExpunged':
      return event.data.messageIds.some((id) => asked.has(id))
    default:
      return true
  }
}

function messagesOf(command: MailboxCommand): readonly string[] {
  if ('messageIds' in command) return command.messageIds
  return 'copies' in command ? command.copies.flatMap(({ messageId, copyId }) => [messageId, copyId]) : []
}

function aboutFolders(command: MailboxCommand): boolean {
  switch (command.type) {
    case 'CreateFolder':
    case 'RenameFolder':
    case 'MoveFolder':
    case 'DeleteFolder':
    case 'SubscribeFolder':
      return true
    default:
      return false
  }
}
