// A search plan as a Typesense filter that finds at least what the plan does, and a look at the words for what the filter cannot say.
import type { SearchPlan } from '../../../projections/ports/search-index.ts'
import { traceHas, tracePattern } from '../../../projections/search/trace.ts'
import { elementOf, encoded } from './typesense-rows.ts'

export interface CompiledPlan {
  /** Undefined: everything. */
  readonly filter: string | undefined
  /** Whether what the filter finds must be compared with the plan. */
  readonly wide: boolean
}

type Words = Extract<SearchPlan, { kind: 'words' }>

/** Every part in parentheses: && beside || is not reliable. */
export function compilePlan(plan: SearchPlan): CompiledPlan {
  let wide = false
  const widened = (): undefined => {
    wide = true
    return undefined
  }
  /** Undefined for "everything". */
  const compile = (node: SearchPlan, negated: boolean, alternative = false): string | undefined => {
    switch (node.kind) {
      case 'not':
        return compile(node.plan, !negated, alternative)
      case 'and':
      case 'or': {
        const all = (node.kind === 'and') !== negated
        const parts = node.plans.map((part) => compile(part, negated, alternative || !all))
        if (all) {
          const told = parts.filter((part) => part !== undefined)
          return told.length === 0 ? (node.plans.length === 0 && negated ? NOTHING : undefined) : joined(told, '&&')
        }
        if (parts.length === 0) return NOTHING
        return parts.includes(undefined) ? undefined : joined(parts as string[], '||')
      }
      case 'words':
        // Of alternatives the reader of the text cannot tell which one was meant: there a phrase must be exact.
        if (alternative && node.tokens.length > 1) widened()
        return negated ? (withoutWords(node) ?? widened()) : withWords(node, widened)
      case 'folder': {
        const folders = node.folderIds.map(encoded)
        if (folders.length === 0) return negated ? undefined : NOTHING
        return `(f:${negated ? '!=' : '='}[${folders.join(',')}])`
      }
      case 'flag':
        return `(${node.flag}:=${node.set !== negated})`
      case 'attachment':
        return `(att:=${!negated})`
      case 'received':
        return range('at', bound(node.from), bound(node.before), negated)
      case 'size': {
        // Both bounds are exclusive, and may be fractions.
        const from = node.over === undefined ? undefined : bound(Math.floor(node.over) + 1)
        const before = node.under === undefined ? undefined : bound(Math.ceil(node.under))
        return range('size', from, before, negated)
      }
      case 'all':
        return negated ? NOTHING : undefined
      case 'none':
        return negated ? undefined : NOTHING
      default: {
        const _: never = node
        return _
      }
    }
  }
  return { filter: compile(plan, false), wide }
}

const NOTHING = '(k:=none)'
const joined = (parts: readonly string[], operator: string): string =>
  parts.length === 1 ? (parts[0] as string) : `(${parts.join(` ${operator} `)})`

/** Numbers that overflow make the server fall silent. */
const LARGEST = 2 ** 52
const bound = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : Math.max(-LARGEST, Math.min(LARGEST, Math.ceil(value)))

function range(
  field: string,
  from: number | undefined,
  before: number | undefined,
  negated: boolean,
): string | undefined {
  const parts = negated
    ? [from === undefined ? '' : `${field}:<${from}`, before === undefined ? '' : `${field}:>=${before}`]
    : [from === undefined ? '' : `${field}:>=${from}`, before === undefined ? '' : `${field}:<${before}`]
  const told = parts.filter((part) => part !== '').map((part) => `(${part})`)
  if (told.length === 0) return negated ? NOTHING : undefined
  return joined(told, negated ? '||' : '&&')
}

function withWords(plan: Words, widened: () => undefined): string {
  const fields = plan.fields ?? (['any'] as const)
  const inField = fields.map((field) => {
    const parts = plan.tokens.map((token, i) => {
      const { element, exact } = elementOf(field, token, plan.prefix && i === plan.tokens.length - 1)
      if (!exact) widened()
      return `(w:=${element})`
    })
    return joined(parts, '&&')
  })
  return joined(inField, '||')
}

/** Only single words can be left out by a filter: documents where a phrase's words stand apart must stay. */
function withoutWords(plan: Words): string | undefined {
  const [token, ...more] = plan.tokens
  if (token === undefined || more.length > 0) return undefined
  const found = (plan.fields ?? (['any'] as const)).map((field) => elementOf(field, token, plan.prefix))
  if (found.some(({ exact }) => !exact)) return undefined
  return `(w:!=[${found.map(({ element }) => element).join(',')}])`
}

/** False when the trace of a message shows that words of a phrase stand apart in it. Says nothing of what a NOT leaves out. */
export function mayMatch(trace: Uint8Array, plan: SearchPlan): boolean {
  if (plan.kind === 'and') return plan.plans.every((part) => mayMatch(trace, part))
  if (plan.kind === 'or') return plan.plans.some((part) => mayMatch(trace, part))
  if (plan.kind !== 'words' || plan.tokens.length < 2) return true
  const pattern = tracePattern(plan.tokens, plan.prefix)
  return pattern.length < 2 || traceHas(trace, pattern, plan.fields)
}

/** Whether the plan asks for words side by side. */
export function hasPhrase(plan: SearchPlan): boolean {
  if (plan.kind === 'and' || plan.kind === 'or') return plan.plans.some(hasPhrase)
  return plan.kind === 'words' && plan.tokens.length > 1
}
