// A script on one message for one account: the pure run, with what it may ask of folders and of the log.

import type { AccountId } from '../domain/log.ts'
import { filterStream } from '../domain/log.ts'
import { folderByRole, type Mailbox } from '../domain/mailbox/mailbox.ts'
import { folderAt, roleOfUse } from '../domain/mailbox/paths.ts'
import { mailboxProblem } from '../domain/sieve/compile.ts'
import type { SieveMessage } from '../domain/sieve/message.ts'
import type { Program } from '../domain/sieve/program.ts'
import { type DuplicateId, runScript, type SieveOutcome } from '../domain/sieve/run.ts'
import type { ExpectedRevision } from './ports/event-store.ts'
import type { Journal } from './ports/journal.ts'
import type { Keyring } from './ports/keyring.ts'

export interface RulesInput {
  readonly accountId: AccountId
  readonly program: Program
  readonly message: SieveMessage
  readonly mailFrom: string
  readonly recipient: string
  /** Epoch milliseconds. */
  readonly now: number
  /** Of the account; undefined when the program looks at none. */
  readonly mailbox: Mailbox | undefined
  readonly hostname: string
  readonly remoteAddress?: string | undefined
}

export interface MemoryPorts {
  readonly journal: Journal
  readonly keyring: Pick<Keyring, 'nameHash'>
}

/** Ids that one script may ask for. */
const MAX_QUESTIONS = 32

/**
 * Runs a script and looks up what it asks for; without ports nothing was ever seen before. Never throws for anything that a script or
 * a message holds.
 */
export async function runRules(ports: MemoryPorts | undefined, input: RulesInput): Promise<SieveOutcome> {
  const { accountId, message, mailbox, now, hostname } = input
  const seen = new Map<string, boolean>()
  const world = {
    message,
    mailFrom: input.mailFrom,
    recipient: input.recipient,
    now,
    zone: -new Date(now).getTimezoneOffset(),
    folderExists: (path: string) =>
      mailbox !== undefined && mailboxProblem(path) === undefined && folderAt(mailbox, path) !== undefined,
    hasSpecialUse: (use: string, path: string | undefined) => {
      const role = roleOfUse(use)
      if (mailbox === undefined || role === undefined) return false
      return path === undefined ? folderByRole(mailbox, role) !== undefined : folderAt(mailbox, path)?.role === role
    },
    seen: (id: DuplicateId) => seen.get(duplicateKey(accountId, id)),
    environment: {
      name: 'Everpost',
      host: hostname,
      domain: hostname.slice(hostname.indexOf('.') + 1),
      location: 'MTA',
      phase: 'during',
      ...(input.remoteAddress === undefined ? {} : { 'remote-ip': input.remoteAddress }),
    },
  }
  for (let question = 0; question < MAX_QUESTIONS; question++) {
    const run = runScript(input.program, world)
    if (!('asks' in run)) return run
    const key = duplicateKey(accountId, run.asks)
    seen.set(key, ports !== undefined && (await remembered(ports, key)).until > now)
  }
  const problem = { line: 1, column: 1, message: `A script asks for at most ${MAX_QUESTIONS} ids with duplicate.` }
  return { actions: [{ type: 'keep', flags: [] }], problem, seen: [] }
}

export const duplicateKey = (accountId: AccountId, { handle, id }: DuplicateId): string =>
  ['duplicate', accountId, handle, id].join('\u0000')

export const vacationKey = (accountId: AccountId, handle: string, sender: string): string =>
  ['vacation', accountId, handle, sender.toLowerCase()].join('\u0000')

export interface Remembered {
  readonly stream: string
  /** Epoch milliseconds; 0 when nothing is remembered. */
  readonly until: number
  /** What a commit that remembers anew must expect of the stream, so that two messages of one moment are not both the first. */
  readonly expected: ExpectedRevision
}

/** What the log remembers under a key. */
export async function remembered({ journal, keyring }: MemoryPorts, key: string): Promise<Remembered> {
  const stream = filterStream(keyring.nameHash(key))
  for await (const event of journal.readStream(stream, { direction: 'backwards', limit: 1 })) {
    const known = !('redacted' in event) && (event.type === 'AutomaticReplySent' || event.type === 'DuplicateNoted')
    return { stream, until: known ? event.data.until : 0, expected: event.revision }
  }
  return { stream, until: 0, expected: 'no-stream' }
}
