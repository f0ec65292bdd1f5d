// The filter rules of accounts: saving them once they are right, and having them at hand when mail comes.
import type { AccountRefusal } from '../domain/account/account.ts'
import { MAX_FILTER_BYTES } from '../domain/account/account.ts'
import { type AccountId, accountStream, type Revision } from '../domain/log.ts'
import { compileScript } from '../domain/sieve/compile.ts'
import type { Problem } from '../domain/sieve/limits.ts'
import type { Program } from '../domain/sieve/program.ts'
import { changeAccount, loadAccount } from './change-account.ts'
import type { CommandContext, Outcome } from './context.ts'
import type { Journal } from './ports/journal.ts'
import type { DirectoryAccount } from './ports/views.ts'

export type RulesCommand =
  | { readonly type: 'ChangeFilterRules'; readonly name: string; readonly script: string }
  | { readonly type: 'RenameFilterRules'; readonly name: string; readonly newName: string }
  | { readonly type: 'DeleteFilterRules'; readonly name: string }
  | { readonly type: 'ActivateFilterRules'; readonly name: string | null }

/** A script that is no Sieve is refused with `bad-script`, and `problems` says where. */
export type RulesChanged =
  | Outcome<{ readonly revision: Revision | undefined }, AccountRefusal['code'] | 'busy'>
  | {
      readonly ok: false
      readonly refusal: { readonly code: 'bad-script'; readonly message: string }
      readonly problems: readonly Problem[]
    }

/** What is wrong with a script; nothing when it can be saved. */
export function checkRules(script: string): readonly Problem[] {
  if (script.length > MAX_FILTER_BYTES || Buffer.byteLength(script) > MAX_FILTER_BYTES)
    return [{ line: 1, column: 1, message: `Filter rules take at most ${MAX_FILTER_BYTES} bytes.` }]
  const compiled = compileScript(script)
  return 'problems' in compiled ? compiled.problems : []
}

/** Changes the rules of an account. Only scripts that can run are saved. */
export async function changeRules(
  journal: Journal,
  context: CommandContext,
  account: AccountId,
  command: RulesCommand,
): Promise<RulesChanged> {
  if (command.type === 'ChangeFilterRules') {
    const problems = checkRules(command.script)
    const [first] = problems
    if (first) {
      const message = `Line ${first.line}, column ${first.column}: ${first.message}`
      return { ok: false, refusal: { code: 'bad-script', message }, problems }
    }
  }
  return changeAccount(journal, context, account, command)
}

export interface RulesOfAccount {
  /** By name, in the order in which they were first saved. */
  readonly scripts: ReadonlyMap<string, string>
  readonly active: string | null
}

/** All scripts of an account as of its newest event. */
export async function rulesOf(journal: Journal, account: AccountId): Promise<RulesOfAccount> {
  const { state } = await loadAccount(journal, account)
  return { scripts: state.filterRules, active: state.activeRules }
}

async function scriptAt(journal: Journal, account: AccountId, revision: Revision): Promise<string | undefined> {
  for await (const event of journal.readStream(accountStream(account), { from: revision, limit: 1 })) {
    if (!('redacted' in event) && event.type === 'FilterRulesChanged') return event.data.script
  }
  return undefined
}

export interface ActiveRules {
  readonly name: string
  readonly program: Program
}

/** Characters of all scripts whose programs are kept at hand. */
const KEPT_CHARACTERS = 16 * 1024 * 1024

/** The programs of scripts in force, made once for each saved script and not for each message. */
export class RuleBook {
  readonly #journal: Journal
  /** By account, least recently used first. */
  readonly #programs = new Map<AccountId, { revision: Revision; size: number; program: Program | undefined }>()
  #size = 0

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** The script in force; undefined when the account has none, or one that an earlier version took and this one does not. */
  async active(account: DirectoryAccount): Promise<ActiveRules | undefined> {
    const name = account.activeRules
    if (name === undefined || name === null) return undefined
    const rules = account.filterRules?.find((each) => each.name === name)
    if (!rules) return undefined
    const known = this.#programs.get(account.id)
    if (known) this.#programs.delete(account.id)
    if (known?.revision === rules.revision) {
      this.#programs.set(account.id, known)
      return known.program && { name, program: known.program }
    }
    this.#size -= known?.size ?? 0
    const script = (await scriptAt(this.#journal, account.id, rules.revision)) ?? ''
    const compiled = compileScript(script)
    const program = 'program' in compiled ? compiled.program : undefined
    this.#keep(account.id, { revision: rules.revision, size: script.length + 1_000, program })
    return program && { name, program }
  }

  #keep(account: AccountId, entry: { revision: Revision; size: number; program: Program | undefined }): void {
    // Another message of the same moment may have made it too.
    this.#size += entry.size - (this.#programs.get(account)?.size ?? 0)
    this.#programs.set(account, entry)
    for (const [oldest, { size }] of this.#programs) {
      if (this.#size <= KEPT_CHARACTERS) break
      this.#programs.delete(oldest)
      this.#size -= size
    }
  }
}
