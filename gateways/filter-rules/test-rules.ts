// What a script would have done to the newest messages of a folder, without doing anything.
import { loadMailbox } from '../../commands/change-mailbox.ts'
import { checkRules } from '../../commands/filter-rules.ts'
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import { runRules } from '../../commands/run-rules.ts'
import { isRedacted } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import { folderByRole, type Mailbox } from '../../domain/mailbox/mailbox.ts'
import { folderAt, roleOfUse } from '../../domain/mailbox/paths.ts'
import { compileScript } from '../../domain/sieve/compile.ts'
import type { Problem } from '../../domain/sieve/limits.ts'
import { SieveMessage } from '../../domain/sieve/message.ts'
import type { Program } from '../../domain/sieve/program.ts'
import type { SieveAction } from '../../domain/sieve/run.ts'
import { whyNoAnswer } from '../../domain/sieve/vacation.ts'
import type { EventSource } from '../../projections/ports/event-source.ts'
import type { DirectoryRow, MailboxQueries, MessageRow } from '../../projections/queries.ts'

export interface TestServices {
  readonly journal: Journal
  readonly source: Pick<EventSource, 'readPositions'>
  readonly blobs: MessageBlobs
  readonly mailbox: MailboxQueries
}

export interface TestedAction {
  readonly action: SieveAction['type']
  /** Of the script; null for the implicit keep. */
  readonly line: number | null
  /** The folder, the address, the reason. */
  readonly detail: string | null
  readonly flags: readonly string[]
  /** Why it would not be done, or done otherwise. */
  readonly note: string | null
}

export interface TestedMessage {
  readonly row: MessageRow
  readonly actions: readonly TestedAction[]
  /** Why the script would not come to its end: then the message would be kept. */
  readonly problem: Problem | null
}

export const MAX_TESTED = 100
/** Bytes of a message that rules look into, as at delivery. */
const BEGINNING = 1024 * 1024

/** Runs a script on the newest `last` messages of a folder, newest first; answers its problems when it is no script. */
export async function testRules(
  services: TestServices,
  account: DirectoryRow,
  { script, folderId, last }: { readonly script: string; readonly folderId: string; readonly last: number },
): Promise<{ readonly messages: readonly TestedMessage[] } | { readonly problems: readonly Problem[] }> {
  const problems = checkRules(script)
  const compiled = compileScript(script)
  if (problems.length > 0 || 'problems' in compiled) return { problems }
  const { program } = compiled
  const ports = { journal: services.journal, snapshots: services.mailbox }
  const mailbox = (await loadMailbox(ports, account.id, [])).state
  const first = Math.max(1, Math.min(MAX_TESTED, last))
  const { rows } = await services.mailbox.messages(account.id, folderId, { first })
  const messages: TestedMessage[] = []
  for (const row of rows) messages.push(await testOne(services, account, program, mailbox, row))
  return { messages }
}

async function testOne(
  { source, blobs }: TestServices,
  account: DirectoryRow,
  program: Program,
  mailbox: Mailbox,
  row: MessageRow,
): Promise<TestedMessage> {
  const [arrival] = await source.readPositions([row.position])
  if (!arrival || isRedacted(arrival) || !('content' in arrival.data)) return { row, actions: [], problem: null }
  const { blob } = arrival.data.content
  const raw = await blobs.read(blob, 0, Math.min(blob.size, BEGINNING))
  const message = new SieveMessage({ raw, size: blob.size, root: readMail(raw).root })
  const received = arrival.type === 'MessageReceived' ? arrival.data : undefined
  const mailFrom = received?.mailFrom ?? message.header.named('return-path')[0]?.addresses[0] ?? ''
  const recipient = received?.recipient ?? account.address
  const outcome = await runRules(undefined, {
    accountId: account.id,
    program,
    message,
    mailFrom,
    recipient,
    now: row.receivedAt,
    mailbox,
    hostname: account.address.slice(account.address.lastIndexOf('@') + 1),
  })
  const ownAddresses = account.addresses.map(({ address }) => address)
  const noteOf = (action: SieveAction): string | null => {
    switch (action.type) {
      case 'fileinto': {
        const role = action.specialUse === undefined ? undefined : roleOfUse(action.specialUse)
        if ((role && folderByRole(mailbox, role)) ?? folderAt(mailbox, action.mailbox)) return null
        return action.create ? 'the folder would be made' : 'there is no such folder: it would stay in the inbox'
      }
      case 'vacation':
        return whyNoAnswer(action, { mailFrom, recipient, ownAddresses, header: message.header }) ?? null
      default:
        return null
    }
  }
  const actions = outcome.actions.map((action) => ({
    action: action.type,
    line: action.place?.line ?? null,
    detail: detailOf(action),
    flags: 'flags' in action ? action.flags : [],
    note: noteOf(action),
  }))
  return { row, actions, problem: outcome.problem ?? null }
}

function detailOf(action: SieveAction): string | null {
  switch (action.type) {
    case 'fileinto':
      return action.mailbox
    case 'redirect':
      return action.address
    case 'reject':
    case 'vacation':
      return action.reason.slice(0, 200).toWellFormed()
    case 'keep':
    case 'discard':
      return null
    default: {
      const _: never = action
      return _
    }
  }
}
