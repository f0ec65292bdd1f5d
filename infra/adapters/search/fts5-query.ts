// A search plan in the terms of the FTS5 engine: a full-text expression that finds candidates, and SQL conditions for the rest.
import type { SQLInputValue } from 'node:sqlite'
import type { HeaderField, SearchPlan } from '../../../projections/ports/search-index.ts'
import { tracePattern } from '../../../projections/search/trace.ts'

/** Tokens of a header field are indexed once more behind one of these, which no token of the analyzer can begin with. */
export const FIELD_MARKS: Readonly<Record<HeaderField, string>> = {
  subject: 'À',
  from: 'Á',
  to: 'Â',
  cc: 'Ã',
  filename: 'Ä',
}

export const FLAG_BITS = { seen: 1, answered: 2, flagged: 4, draft: 8, attachment: 16, gone: 32 } as const

export interface CompiledPlan {
  /** FTS5 expression of which every result is a match; undefined when only conditions tell. */
  readonly match: string | undefined
  /** SQL over `d`, a row of docs; '1' for none. */
  readonly condition: string
  readonly parameters: readonly SQLInputValue[]
}

/** What compiling must know of the account. */
export interface CompileContext {
  readonly first: number
  readonly last: number
  folderKey(folderId: string): number | undefined
}

export function compilePlan(plan: SearchPlan, context: CompileContext): CompiledPlan {
  const required = plan.kind === 'and' ? flatten(plan) : [plan]
  const matches: string[] = []
  const excluded: string[] = []
  const conditions: string[] = []
  const parameters: SQLInputValue[] = []
  for (const part of required) {
    const candidates = superset(part)
    if (candidates !== undefined) matches.push(candidates)
  }
  for (const part of required) {
    if (exact(part) !== undefined) continue
    const inner = part.kind === 'not' ? exact(part.plan) : undefined
    if (inner !== undefined && matches.length > 0) {
      excluded.push(inner)
      continue
    }
    // The candidates already hold all tokens: only their order is left to see.
    if (part.kind === 'words') conditions.push(adjacent(part, parameters))
    else conditions.push(condition(part, context, parameters, true))
  }
  let match = matches.length === 0 ? undefined : matches.map((each) => `(${each})`).join(' AND ')
  if (match !== undefined && excluded.length > 0) {
    match = `(${match}) NOT (${excluded.map((each) => `(${each})`).join(' OR ')})`
  }
  return { match, condition: conditions.length === 0 ? '1' : conditions.join(' AND '), parameters }
}

function flatten(plan: SearchPlan): readonly SearchPlan[] {
  return plan.kind === 'and' ? plan.plans.flatMap(flatten) : [plan]
}

type Words = Extract<SearchPlan, { kind: 'words' }>

/** All tokens of the part, wherever they stand. */
function tokensExpression(plan: Words): string {
  const marks = plan.fields === null ? [''] : plan.fields.map((field) => FIELD_MARKS[field])
  const inField = marks.map((mark) =>
    plan.tokens
      .map((token, i) => `"${mark}${token}"${plan.prefix && i === plan.tokens.length - 1 ? ' *' : ''}`)
      .join(' AND '),
  )
  return inField.length === 1 ? (inField[0] ?? '') : inField.map((each) => `(${each})`).join(' OR ')
}

function isExact(plan: Words): boolean {
  return plan.tokens.length === 1
}

/** The same as an FTS5 expression, where it can say all of it. */
function exact(plan: SearchPlan): string | undefined {
  if (plan.kind === 'words') return isExact(plan) ? tokensExpression(plan) : undefined
  if (plan.kind !== 'and' && plan.kind !== 'or') return undefined
  const parts = plan.plans.map(exact)
  if (parts.length === 0 || parts.includes(undefined)) return undefined
  return parts.map((part) => `(${part})`).join(plan.kind === 'and' ? ' AND ' : ' OR ')
}

/** An FTS5 expression that finds at least what the plan does; undefined when only "everything" would. */
function superset(plan: SearchPlan): string | undefined {
  switch (plan.kind) {
    case 'words':
      return tokensExpression(plan)
    case 'and': {
      const parts = plan.plans.map(superset).filter((part) => part !== undefined)
      return parts.length === 0 ? undefined : parts.map((part) => `(${part})`).join(' AND ')
    }
    case 'or': {
      const parts = plan.plans.map(superset)
      if (parts.length === 0 || parts.includes(undefined)) return undefined
      return parts.map((part) => `(${part})`).join(' OR ')
    }
    default:
      return undefined
  }
}

/** Side by side as far as traces tell, which know nothing of an unfinished last word. */
function adjacent(plan: Words, parameters: SQLInputValue[]): string {
  const pattern = tracePattern(plan.tokens, plan.prefix)
  if (pattern.length < 2) return '1'
  parameters.push(pattern)
  // SQLite's own search costs a third of a call into JavaScript, and a phrase of common words makes many.
  if (plan.fields === null) return '(instr((SELECT trace FROM traces WHERE doc = d.doc), ?) > 0)'
  parameters.push(plan.fields.join(' '))
  return 'trace_has((SELECT trace FROM traces WHERE doc = d.doc), ?, ?)'
}

/** `positive`: too many results are allowed, because the reader of the text looks again; under a NOT too few would be. */
function condition(plan: SearchPlan, context: CompileContext, parameters: SQLInputValue[], positive: boolean): string {
  switch (plan.kind) {
    case 'and':
    case 'or': {
      const parts = plan.plans.map((part) => condition(part, context, parameters, positive))
      if (parts.length === 0) return plan.kind === 'and' ? '1' : '0'
      return `(${parts.join(plan.kind === 'and' ? ' AND ' : ' OR ')})`
    }
    case 'not':
      return `NOT ${condition(plan.plan, context, parameters, !positive)}`
    case 'words': {
      if (!positive && plan.prefix && !isExact(plan)) return '0'
      parameters.push(tokensExpression(plan), context.first, context.last)
      const found = '(d.doc IN (SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ?))'
      return isExact(plan) ? found : `(${found} AND ${adjacent(plan, parameters)})`
    }
    case 'folder': {
      const keys = plan.folderIds.map((id) => context.folderKey(id)).filter((key) => key !== undefined)
      return keys.length === 0 ? '0' : `(d.folder IN (${keys.join(', ')}))`
    }
    case 'flag':
      return `(d.flags & ${FLAG_BITS[plan.flag]} ${plan.set ? '<>' : '='} 0)`
    case 'attachment':
      return `(d.flags & ${FLAG_BITS.attachment} <> 0)`
    case 'received': {
      const parts: string[] = []
      if (plan.from !== undefined) {
        parts.push('d.received_at >= ?')
        parameters.push(plan.from)
      }
      if (plan.before !== undefined) {
        parts.push('d.received_at < ?')
        parameters.push(plan.before)
      }
      return parts.length === 0 ? '1' : `(${parts.join(' AND ')})`
    }
    case 'size': {
      const parts: string[] = []
      if (plan.over !== undefined) {
        parts.push('d.size > ?')
        parameters.push(plan.over)
      }
      if (plan.under !== undefined) {
        parts.push('d.size < ?')
        parameters.push(plan.under)
      }
      return parts.length === 0 ? '1' : `(${parts.join(' AND ')})`
    }
    case 'all':
      return '1'
    case 'none':
      return '0'
    default: {
      const _: never = plan
      return _
    }
  }
}
