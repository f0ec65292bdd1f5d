// Every later intent about an account: load its short stream, fold, decide, append at the exact revision, answer.
import {
  type Account,
  type AccountCommand,
  type AccountEvent,
  type AccountRefusal,
  decide,
  evolve,
  noAccount,
} from '../domain/account/account.ts'
import { type AccountId, accountStream, type Revision } from '../domain/log.ts'
import { type CommandContext, type Outcome, refused, toNewEvents } from './context.ts'
import type { Journal } from './ports/journal.ts'
import type { Keyring } from './ports/keyring.ts'

export type AccountOutcome = Outcome<{ readonly revision: Revision | undefined }, AccountRefusal['code'] | 'busy'>

const ATTEMPTS = 10

/** Account streams hold hundreds of events at most, so they are folded whole. */
export async function changeAccount(
  journal: Journal,
  context: CommandContext,
  account: AccountId,
  command: AccountCommand,
): Promise<AccountOutcome> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { state, revision } = await loadAccount(journal, account)
    const decision = decide(command, state)
    if ('refused' in decision) return { ok: false, refusal: decision.refused }
    if (decision.events.length === 0) return { ok: true, revision }
    const result = await journal.append({
      stream: accountStream(account),
      expected: revision ?? 'no-stream',
      events: toNewEvents(decision.events, account, context),
    })
    if (result.ok) return { ok: true, revision: result.revision }
  }
  return refused('busy', 'The account is being changed by someone else just now: try again.')
}

/** The account as its whole stream tells; `noAccount` for one that does not exist. */
export async function loadAccount(
  journal: Journal,
  account: AccountId,
): Promise<{ readonly state: Account; readonly revision: Revision | undefined }> {
  let state = noAccount
  let revision: Revision | undefined
  for await (const event of journal.readStream(accountStream(account))) {
    revision = event.revision
    state = 'redacted' in event ? { ...state, id: account, erased: true } : evolve(state, event as AccountEvent)
  }
  return { state, revision }
}

/**
 * Erases an account: the fact is recorded, then its data key destroyed, after which nothing about it can be read anywhere. Refused
 * under a legal hold. Interrupted between the two steps, the same call again finishes.
 */
export async function eraseAccount(
  { journal, keyring }: { readonly journal: Journal; readonly keyring: Keyring },
  context: CommandContext,
  account: AccountId,
): Promise<AccountOutcome> {
  const outcome = await changeAccount(journal, context, account, { type: 'EraseAccount' })
  if (outcome.ok) await keyring.destroy(account)
  return outcome
}

/** Destroys the keys of accounts whose erasure was recorded and then interrupted; answers whose they were. Repeating it changes nothing. */
export async function finishErasures(keyring: Keyring, erased: readonly AccountId[]): Promise<readonly AccountId[]> {
  await keyring.load?.(erased)
  const left = erased.filter((account) => keyring.dataKey(account) !== undefined)
  for (const account of left) await keyring.destroy(account)
  return left
}
