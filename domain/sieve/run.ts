// Runs a program on one message and answers what is to be done. Pure, bounded, and never throws: an error is the implicit keep.
import { normalizeAddress } from '../mail/address.ts'
import { mailboxProblem } from './compile.ts'
import { isFieldName } from './compile-tests.ts'
import { mergeFlags, splitFlags } from './flags.ts'
import { PROTECTED_FIELDS, withField, withoutFields } from './header-edit.ts'
import { type Place, type Problem, SIEVE_LIMITS, SieveStop } from './limits.ts'
import { compare, foldAscii, matches, type Pattern, readPattern, related, type Subject } from './match.ts'
import { type Field, type Header, pickFields, type SieveMessage } from './message.ts'
import type { Match, Modifier, Program, Step, Text, Texts, VacationStep } from './program.ts'
import { evaluate } from './run-tests.ts'
import { shown } from './tokens.ts'

/** What a script may ask of the world; all of it is known before it runs. */
export interface SieveWorld {
  readonly message: SieveMessage
  /** Reverse-path; '' for a bounce. */
  readonly mailFrom: string
  readonly recipient: string
  /** Epoch milliseconds. */
  readonly now: number
  /** Of the server, minutes east of UTC. */
  readonly zone: number
  readonly folderExists: (path: string) => boolean
  /** Whether a folder has the use (`\Junk`), the one at `path` or any. */
  readonly hasSpecialUse: (use: string, path: string | undefined) => boolean
  /** Whether the id was seen within its time; undefined when nobody has looked: then the run answers `asks`. */
  readonly seen: (id: DuplicateId) => boolean | undefined
  /** Items of the environment test (RFC 5183) by lowercase name. */
  readonly environment: Readonly<Record<string, string>>
}

export interface DuplicateId {
  readonly handle: string
  readonly id: string
  readonly seconds: number
  /** Seeing it again makes the time begin anew (RFC 7352 §3.4). */
  readonly last: boolean
}

/** `header` is there when the script had edited it before. */
interface Stored {
  readonly flags: readonly string[]
  readonly header?: Header
}

export interface VacationAction {
  readonly type: 'vacation'
  readonly place: Place
  readonly seconds: number
  readonly subject?: string
  readonly from?: string
  readonly addresses: readonly string[]
  readonly mime: boolean
  readonly handle?: string
  readonly reason: string
}

export type SieveAction =
  /** Without a place: the implicit keep. */
  | ({ readonly type: 'keep'; readonly place?: Place } & Stored)
  | ({
      readonly type: 'fileinto'
      readonly place: Place
      readonly mailbox: string
      readonly specialUse?: string
      readonly create: boolean
    } & Stored)
  | { readonly type: 'redirect'; readonly place: Place; readonly address: string; readonly header?: Header }
  | { readonly type: 'discard'; readonly place: Place }
  | { readonly type: 'reject'; readonly place: Place; readonly extended: boolean; readonly reason: string }
  | VacationAction

export interface SieveOutcome {
  readonly actions: readonly SieveAction[]
  /** What went wrong: then the actions are the implicit keep alone. */
  readonly problem?: Problem
  /** Ids that were asked for and are to be remembered. */
  readonly seen: readonly DuplicateId[]
}

/** Either the outcome, or an id to look up before the script is run again. */
export type SieveRun = SieveOutcome | { readonly asks: DuplicateId }

export function runScript(program: Program, world: SieveWorld): SieveRun {
  const run = new Run(program, world)
  try {
    run.block(program.steps)
    return run.outcome()
  } catch (error) {
    if (error instanceof SieveQuestion) return { asks: error.id }
    if (error instanceof SieveStop) return { actions: [{ type: 'keep', flags: [] }], problem: error.problem, seen: [] }
    throw error
  }
}

/** Leaves a run that cannot go on before somebody has looked an id up. */
class SieveQuestion extends Error {
  readonly id: DuplicateId
  constructor(id: DuplicateId) {
    super('An id must be looked up')
    this.id = id
  }
}

/** Most patterns that a program remembers. */
const MAX_PATTERNS = 2_000

/** One run: its variables, its flags, its edited header, and what it has decided so far. */
export class Run {
  readonly world: SieveWorld
  header: Header
  readonly #program: Program
  readonly #variables = new Map<string, string>()
  #wildcards: readonly string[] = []
  #flags: readonly string[] = []
  #steps = SIEVE_LIMITS.steps
  #addedFields = 0
  /** Undefined: an explicit action has taken its place. */
  #implicitKeep = true
  readonly #actions: SieveAction[] = []
  readonly #seen: DuplicateId[] = []
  #place: Place = { line: 1, column: 1 }

  constructor(program: Program, world: SieveWorld) {
    this.#program = program
    this.world = world
    this.header = world.message.header
  }

  outcome(): SieveOutcome {
    const actions = [...this.#actions]
    if (this.#implicitKeep) actions.push({ type: 'keep', ...this.#stored(undefined) })
    const refusal = actions.find(({ type }) => type === 'reject')
    const other = actions.find(({ type }) => type !== 'reject' && type !== 'discard')
    if (refusal?.place && other) {
      const name = other.type
      throw new SieveStop(
        refusal.place,
        `A message cannot be refused and have ${name} too: put stop; behind the one that comes first.`,
      )
    }
    return { actions, seen: this.#seen }
  }

  /** False: the script was stopped. */
  block(steps: readonly Step[]): boolean {
    for (const step of steps) if (!this.#step(step)) return false
    return true
  }

  #step(step: Step): boolean {
    this.spend(1)
    switch (step.type) {
      case 'if': {
        const branch = step.branches.find(({ test }) => test === undefined || evaluate(test, this))
        return branch === undefined || this.block(branch.steps)
      }
      case 'stop':
        return false
      case 'discard':
        this.#act({ type: 'discard', place: step.place }, true)
        return true
      case 'keep':
        this.#store({ type: 'keep', place: step.place, ...this.#stored(step.flags) })
        this.#implicitKeep = false
        return true
      case 'fileinto': {
        const mailbox = this.text(step.mailbox)
        const problem = mailboxProblem(mailbox)
        if (problem) throw new SieveStop(step.place, problem)
        const { place, create } = step
        const specialUse = step.specialUse === undefined ? {} : { specialUse: this.text(step.specialUse) }
        this.#store({ type: 'fileinto', place, mailbox, create, ...specialUse, ...this.#stored(step.flags) })
        if (!step.copy) this.#implicitKeep = false
        return true
      }
      case 'redirect':
        this.#redirect(step)
        return true
      case 'reject': {
        const reason = this.text(step.reason)
        this.#act({ type: 'reject', place: step.place, extended: step.extended, reason }, true)
        return true
      }
      case 'set':
        this.setVariable(step.name, modified(this.text(step.value), step.modifiers), step.place)
        return true
      case 'flags':
        this.#changeFlags(step)
        return true
      case 'addheader': {
        const name = this.text(step.name)
        if (!isFieldName(name)) throw new SieveStop(step.place, `${shown(name)} is not the name of a header field.`)
        if (++this.#addedFields > SIEVE_LIMITS.addedFields)
          throw new SieveStop(step.place, `A script adds at most ${SIEVE_LIMITS.addedFields} header fields.`)
        this.header = withField(this.header, name, this.text(step.value), step.last)
        return true
      }
      case 'deleteheader':
        this.#deleteHeader(step)
        return true
      case 'vacation':
        this.#vacation(step)
        return true
      default: {
        const _: never = step
        return _
      }
    }
  }

  // What tests and steps share

  spend(count: number): void {
    if (!this.take(count)) this.#exhausted()
  }

  /** For comparisons, which go on to their end; whoever called them asks with `spend` afterwards. */
  take(count: number): boolean {
    this.#steps -= count
    return this.#steps >= 0
  }

  #exhausted(): never {
    throw new SieveStop(this.#place, 'The script takes too long for this message. Fewer or shorter wildcards help.')
  }

  pattern(key: string): Pattern {
    const { patterns } = this.#program
    const known = patterns.get(key)
    if (known) return known
    const pattern = readPattern(key)
    if (patterns.size < MAX_PATTERNS) patterns.set(key, pattern)
    return pattern
  }

  text(text: Text): string {
    if (typeof text === 'string') return text
    let out = ''
    for (const piece of text.pieces) {
      if (typeof piece === 'string') out += piece
      else if ('match' in piece) out += this.#wildcards[piece.match] ?? ''
      else out += this.variable(piece.variable)
      if (out.length > SIEVE_LIMITS.textLength) return out.slice(0, SIEVE_LIMITS.textLength).toWellFormed()
    }
    this.spend(out.length >> 4)
    return out
  }

  texts(texts: Texts): readonly string[] {
    return texts.map((text) => this.text(text))
  }

  variable(name: string): string {
    return this.#variables.get(name) ?? ''
  }

  setVariable(name: string, value: string, place: Place): void {
    if (!this.#variables.has(name) && this.#variables.size >= SIEVE_LIMITS.variables)
      throw new SieveStop(place, `A script has at most ${SIEVE_LIMITS.variables} variables.`)
    this.#variables.set(name, value.slice(0, SIEVE_LIMITS.textLength).toWellFormed())
  }

  get flags(): readonly string[] {
    return this.#flags
  }

  /**
   * Whether any of the values fits any of the keys. What wildcards matched is kept for ${1} and so on, unless `quiet` (RFC 5173 §6).
   * `count` is what :count compares.
   */
  compare(
    match: Match,
    values: readonly Subject[],
    keys: Texts,
    place: Place,
    options: { quiet?: boolean; count?: number } = {},
  ): boolean {
    this.#place = place
    if (match.type === 'count') {
      const count = String(options.count ?? values.length)
      return keys.some((key) => related(match.relation, compare(match.comparator, count, this.text(key))))
    }
    if (values.length === 0) return false
    const wanted = this.texts(keys)
    for (const value of values) {
      for (const key of wanted) {
        const found = matches(match, value, key, this)
        this.spend(0)
        if (found === false) continue
        if (typeof found === 'object' && options.quiet !== true) this.#wildcards = found
        return true
      }
    }
    return false
  }

  isSeen(id: DuplicateId): boolean {
    const seen = this.world.seen(id)
    if (seen === undefined) throw new SieveQuestion(id)
    if (!this.#seen.some((each) => each.handle === id.handle && each.id === id.id) && (!seen || id.last))
      this.#seen.push(id)
    return seen
  }

  // Actions

  #act(action: SieveAction, cancelsKeep: boolean): void {
    if (this.#actions.length >= SIEVE_LIMITS.actions && action.place)
      throw new SieveStop(action.place, `A script takes at most ${SIEVE_LIMITS.actions} actions for one message.`)
    this.#actions.push(action)
    if (cancelsKeep) this.#implicitKeep = false
  }

  #stored(flags: Texts | undefined): Stored {
    const given = flags === undefined ? this.#flags : mergeFlags([], splitFlags(this.texts(flags)))
    return { flags: given, ...this.#edited() }
  }

  #edited(): { readonly header?: Header } {
    return this.header === this.world.message.header ? {} : { header: this.header }
  }

  /** A message comes into a folder once, however often it is filed there; the flags of all count (RFC 5228 §2.10.3). */
  #store(action: Extract<SieveAction, Stored>): void {
    const place = (each: SieveAction) =>
      each.type === 'fileinto' ? `/${each.specialUse ?? ''}/${each.mailbox}` : each.type
    const earlier = this.#actions.findIndex(
      (each) => (each.type === 'keep' || each.type === 'fileinto') && place(each) === place(action),
    )
    const same = this.#actions[earlier]
    if (same === undefined || !('flags' in same)) this.#act(action, false)
    else this.#actions[earlier] = { ...action, flags: mergeFlags(same.flags, action.flags) }
  }

  #redirect({ address: written, copy, place }: Extract<Step, { type: 'redirect' }>): void {
    const address = normalizeAddress(this.text(written))?.address
    if (address === undefined) throw new SieveStop(place, `${shown(this.text(written))} is not an e-mail address.`)
    const redirects = this.#actions.filter(({ type }) => type === 'redirect')
    if (!redirects.some((each) => each.type === 'redirect' && foldAscii(each.address) === foldAscii(address))) {
      if (redirects.length >= SIEVE_LIMITS.redirects)
        throw new SieveStop(place, `A script redirects a message to at most ${SIEVE_LIMITS.redirects} addresses.`)
      this.#act({ type: 'redirect', place, address, ...this.#edited() }, false)
    }
    if (!copy) this.#implicitKeep = false
  }

  #changeFlags({ change, variable, flags, place }: Extract<Step, { type: 'flags' }>): void {
    const given = splitFlags(this.texts(flags))
    const now = variable === undefined ? this.#flags : splitFlags([this.variable(variable)])
    const next =
      change === 'set'
        ? mergeFlags([], given)
        : change === 'add'
          ? mergeFlags(now, given)
          : now.filter((flag) => !given.some((each) => foldAscii(each) === foldAscii(flag)))
    if (variable === undefined) this.#flags = next
    else this.setVariable(variable, next.join(' '), place)
  }

  #deleteHeader({ name: written, index, match, patterns, place }: Extract<Step, { type: 'deleteheader' }>): void {
    const name = this.text(written)
    if (PROTECTED_FIELDS.has(name.toLowerCase())) return
    const chosen = pickFields(this.header.named(name), index)
    const removed = new Set<Field>()
    if (match.type === 'count' && patterns) {
      if (this.compare(match, [], patterns, place, { count: chosen.length }))
        for (const field of chosen) removed.add(field)
    } else {
      for (const field of chosen)
        if (patterns === undefined || this.compare(match, [field.value], patterns, place, { quiet: true }))
          removed.add(field)
    }
    this.header = withoutFields(this.header, removed)
  }

  #vacation(step: VacationStep): void {
    if (this.#actions.some(({ type }) => type === 'vacation'))
      throw new SieveStop(step.place, 'A script answers a message with vacation at most once.')
    const optional = <K extends string>(key: K, text: Text | undefined) =>
      text === undefined ? {} : ({ [key]: this.text(text) } as { [key in K]: string })
    const action: VacationAction = {
      type: 'vacation',
      place: step.place,
      seconds: step.seconds,
      ...optional('subject', step.subject),
      ...optional('from', step.from),
      addresses: this.texts(step.addresses),
      mime: step.mime,
      ...optional('handle', step.handle),
      reason: this.text(step.reason),
    }
    this.#act(action, false)
  }
}

function modified(value: string, modifiers: readonly Modifier[]): string {
  let text = value
  for (const modifier of modifiers) text = modifiedBy(modifier, text)
  return text
}

function modifiedBy(modifier: Modifier, text: string): string {
  switch (modifier) {
    case 'lower':
      return foldAscii(text)
    case 'upper':
      return upperAscii(text)
    case 'lowerfirst':
      return foldAscii(text.slice(0, 1)) + text.slice(1)
    case 'upperfirst':
      return upperAscii(text.slice(0, 1)) + text.slice(1)
    case 'quotewildcard':
      return text.replace(/[*?\\]/g, '\\$&')
    case 'length':
      return String([...text].length)
    default: {
      const _: never = modifier
      return _
    }
  }
}

const upperAscii = (text: string): string => text.replace(/[a-z]+/g, (lower) => lower.toUpperCase())
