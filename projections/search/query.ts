// The search language: what a person typed, read into a plan that any engine can answer. Reading never fails: what makes no
// sense is left out and becomes a sentence in `warnings`.
//
//   words "a phrase" word* -not this OR that (one OR two) from: to: cc: subject: filename: in: has:attachment
//   is:unread is:read is:flagged is:answered is:draft before: after: on: larger: smaller:
import type { HeaderField, SearchFlag, SearchFolder, SearchPlan } from '../ports/search-index.ts'
import { indexText, queryTokens } from './analyzer.ts'

export const MAX_QUERY_LENGTH = 1000
export const MAX_QUERY_TERMS = 50
export const MAX_QUERY_DEPTH = 10
const MAX_WARNINGS = 10
/** Letters from which on an unfinished word is looked for: fewer begin half of all words. */
const MIN_TYPED = 3

/** A plan in which folders still have the names that the person gave them. */
export type QueryNode =
  | { readonly kind: 'and'; readonly nodes: readonly QueryNode[] }
  | { readonly kind: 'or'; readonly nodes: readonly QueryNode[] }
  | { readonly kind: 'not'; readonly node: QueryNode }
  | { readonly kind: 'in'; readonly name: string }
  | { readonly kind: 'leaf'; readonly plan: SearchPlan }

export interface SearchQuery {
  /** Undefined when nothing to look for is left. */
  readonly root: QueryNode | undefined
  readonly warnings: readonly string[]
}

export interface QueryOptions {
  /** Epoch milliseconds: `7d` counts back from here. */
  readonly now: number
  /** Minutes east of UTC in which dates begin; 0 by default. */
  readonly utcOffset?: number
  /** The last word may be unfinished. */
  readonly typing?: boolean
}

/** Reads a query. Never throws, for any string. */
export function parseQuery(text: string, options: QueryOptions): SearchQuery {
  return new Parser(text, options).parse()
}

/** Whether the query names folders, so that they must be known to plan it. */
export function namesFolders(query: SearchQuery): boolean {
  const has = (node: QueryNode): boolean => {
    switch (node.kind) {
      case 'and':
      case 'or':
        return node.nodes.some(has)
      case 'not':
        return has(node.node)
      case 'in':
        return true
      case 'leaf':
        return false
      default: {
        const _: never = node
        return _
      }
    }
  }
  return query.root !== undefined && has(query.root)
}

/** The plan for one account's folders. A folder that does not exist holds nothing, and is said in a warning. */
export function planQuery(
  query: SearchQuery,
  folders: readonly SearchFolder[],
): { readonly plan: SearchPlan; readonly warnings: readonly string[] } {
  const warnings = [...query.warnings]
  const plan = (node: QueryNode): SearchPlan => {
    switch (node.kind) {
      case 'and':
        return { kind: 'and', plans: node.nodes.map(plan) }
      case 'or':
        return { kind: 'or', plans: node.nodes.map(plan) }
      case 'not':
        return { kind: 'not', plan: plan(node.node) }
      case 'in': {
        const found = findFolders(node.name, folders)
        if (found.length === 0) warnings.push(`There is no folder called “${node.name}”.`)
        return { kind: 'folder', folderIds: found.map((folder) => folder.id) }
      }
      case 'leaf':
        return node.plan
      default: {
        const _: never = node
        return _
      }
    }
  }
  return { plan: query.root === undefined ? { kind: 'none' } : plan(query.root), warnings }
}

const ROLE_NAMES: Readonly<Record<string, SearchFolder['role']>> = {
  inbox: 'inbox',
  drafts: 'drafts',
  draft: 'drafts',
  sent: 'sent',
  archive: 'archive',
  junk: 'junk',
  spam: 'junk',
  trash: 'trash',
  bin: 'trash',
}

/** By id, by name, by path (`Work/Projects`), or by role, compared as search compares words. */
function findFolders(name: string, folders: readonly SearchFolder[]): readonly SearchFolder[] {
  const byId = new Map(folders.map((folder) => [folder.id, folder]))
  const exact = byId.get(name)
  if (exact !== undefined) return [exact]
  const wanted = indexText(name) || name.trim().toLowerCase()
  const path = (folder: SearchFolder): string => {
    const names: string[] = []
    for (let at: SearchFolder | undefined = folder; at !== undefined && names.length < 100; ) {
      names.unshift(at.name)
      at = at.parentId === null ? undefined : byId.get(at.parentId)
    }
    return names.join(' ')
  }
  const key = (text: string): string => indexText(text) || text.trim().toLowerCase()
  const named = folders.filter((folder) => key(folder.name) === wanted || key(path(folder)) === wanted)
  if (named.length > 0) return named
  const role = ROLE_NAMES[wanted]
  return role === undefined ? [] : folders.filter((folder) => folder.role === role)
}

const FIELD_OPERATORS: Readonly<Record<string, readonly HeaderField[]>> = {
  from: ['from'],
  to: ['to', 'cc'],
  cc: ['cc'],
  subject: ['subject'],
  filename: ['filename'],
}
const OPERATORS = new Set([
  ...Object.keys(FIELD_OPERATORS),
  ...['in', 'has', 'is', 'before', 'after', 'on', 'larger', 'smaller'],
])
const FLAGS: Readonly<Record<string, readonly [SearchFlag, boolean]>> = {
  unread: ['seen', false],
  unseen: ['seen', false],
  read: ['seen', true],
  seen: ['seen', true],
  flagged: ['flagged', true],
  starred: ['flagged', true],
  unflagged: ['flagged', false],
  answered: ['answered', true],
  replied: ['answered', true],
  unanswered: ['answered', false],
  draft: ['draft', true],
}
const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }
const DAY = 86_400_000
const AGE_UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  d: DAY,
  w: 7 * DAY,
  m: 30 * DAY,
  y: 365 * DAY,
}
const OPEN_QUOTES = '"“”„«'
const CLOSE_QUOTES = '"“”»'

class Parser {
  readonly #text: string
  readonly #options: QueryOptions
  readonly #warnings: string[] = []
  #at = 0
  #terms = 0
  #depth = 0

  constructor(text: string, options: QueryOptions) {
    this.#options = options
    this.#text = text.slice(0, MAX_QUERY_LENGTH)
    if (text.length > MAX_QUERY_LENGTH) {
      this.#warn(`The query is longer than ${MAX_QUERY_LENGTH} characters; the rest was left out.`)
    }
  }

  parse(): SearchQuery {
    const nodes: QueryNode[] = []
    // A `)` without its `(` ends a level early; what follows still counts.
    while (this.#at < this.#text.length) {
      const node = this.#or(null)
      if (node !== undefined) nodes.push(node)
      if (this.#peek() === ')') this.#at++
    }
    return { root: join('and', nodes), warnings: this.#warnings }
  }

  #or(fields: readonly HeaderField[] | null): QueryNode | undefined {
    const alternatives: QueryNode[] = []
    for (;;) {
      const node = this.#and(fields)
      if (node !== undefined) alternatives.push(node)
      if (!this.#keyword('OR')) return join('or', alternatives)
    }
  }

  #and(fields: readonly HeaderField[] | null): QueryNode | undefined {
    const nodes: QueryNode[] = []
    for (;;) {
      this.#space()
      const c = this.#peek()
      if (c === '' || c === ')' || this.#isKeyword('OR')) return join('and', nodes)
      if (this.#keyword('AND')) continue
      const node = this.#unary(fields)
      if (node !== undefined) nodes.push(node)
    }
  }

  #unary(fields: readonly HeaderField[] | null): QueryNode | undefined {
    let negated = false
    while (this.#peek() === '-' && !isSpace(this.#text[this.#at + 1] ?? ' ')) {
      negated = !negated
      this.#at++
    }
    if (this.#keyword('NOT')) {
      negated = !negated
      this.#space()
    }
    const node = this.#primary(fields)
    return negated && node !== undefined ? { kind: 'not', node } : node
  }

  #primary(fields: readonly HeaderField[] | null): QueryNode | undefined {
    const c = this.#peek()
    if (c === '(') return this.#group(fields)
    if (c !== '' && OPEN_QUOTES.includes(c)) return this.#words(this.#quoted(), fields, true)
    const operator = /^([a-z]{2,8}):/i.exec(this.#text.slice(this.#at, this.#at + 9))?.[1]
    const name = operator?.toLowerCase()
    if (operator === undefined || name === undefined || !OPERATORS.has(name)) {
      return this.#words(this.#word(), fields, false)
    }
    this.#at += operator.length + 1
    const field = FIELD_OPERATORS[name]
    if (field !== undefined && this.#peek() === '(') return this.#group(field)
    const quoted = this.#peek() !== '' && OPEN_QUOTES.includes(this.#peek())
    const value = quoted ? this.#quoted() : this.#word()
    if (value.trim() === '') {
      this.#warn(`“${name}:” needs a value.`)
      return undefined
    }
    if (field !== undefined) return this.#words(value, field, quoted)
    if (!this.#count()) return undefined
    return this.#filter(name, value.trim())
  }

  #group(fields: readonly HeaderField[] | null): QueryNode | undefined {
    this.#at++
    if (++this.#depth > MAX_QUERY_DEPTH) {
      this.#depth--
      this.#warn(`Parentheses deeper than ${MAX_QUERY_DEPTH} were left out.`)
      return undefined
    }
    const node = this.#or(fields)
    this.#depth--
    if (this.#peek() === ')') this.#at++
    return node
  }

  #words(value: string, fields: readonly HeaderField[] | null, quoted: boolean): QueryNode | undefined {
    let starred = value.endsWith('*')
    if (quoted && this.#peek() === '*') {
      this.#at++
      starred = true
    }
    const typing = this.#options.typing === true && !quoted && this.#at === this.#text.length
    const { tokens, prefix } = queryTokens(value)
    if (tokens.length === 0) {
      if (value.length > 1) this.#warn(`There is nothing to search for in “${value}”.`)
      return undefined
    }
    if (!this.#count()) return undefined
    const last = tokens.at(-1) ?? ''
    return leaf({ kind: 'words', fields, tokens, prefix: prefix || starred || (typing && last.length >= MIN_TYPED) })
  }

  #filter(name: string, value: string): QueryNode | undefined {
    switch (name) {
      case 'in':
        return /^(anywhere|all|any)$/i.test(value) ? leaf({ kind: 'all' }) : { kind: 'in', name: value }
      case 'has':
        if (/^attachments?$/i.test(value)) return leaf({ kind: 'attachment' })
        this.#warn(`“has:${value}” is not known; has:attachment is.`)
        return undefined
      case 'is': {
        const flag = FLAGS[value.toLowerCase()]
        if (flag !== undefined) return leaf({ kind: 'flag', flag: flag[0], set: flag[1] })
        this.#warn(`“is:${value}” is not known; is:unread, is:read, is:flagged, is:answered and is:draft are.`)
        return undefined
      }
      case 'larger':
      case 'smaller': {
        const match = /^(\d{1,12}(?:\.\d{1,6})?)\s*([kmg]?)i?b?$/i.exec(value)
        const size = match && Number(match[1]) * (SIZE_UNITS[match[2]?.toLowerCase() ?? ''] ?? 1)
        if (size === null) {
          this.#warn(`“${value}” is not a size; sizes look like 500k or 5M.`)
          return undefined
        }
        return leaf(name === 'larger' ? { kind: 'size', over: size } : { kind: 'size', under: size })
      }
      default: {
        const span = this.#dates(value)
        if (span === undefined) {
          this.#warn(`“${value}” is not a date; dates look like 2024, 2024-05, 2024-05-31 or 7d.`)
          return undefined
        }
        if (name === 'before') return leaf({ kind: 'received', before: span.from })
        if (name === 'after') return leaf({ kind: 'received', from: span.from })
        return leaf({ kind: 'received', from: span.from, before: span.end })
      }
    }
  }

  /** The year, month, day or age that the value names. `after:` takes it in, `before:` ends where it begins. */
  #dates(value: string): { readonly from: number; readonly end: number } | undefined {
    const now = this.#options.now
    const offset = (this.#options.utcOffset ?? 0) * 60_000
    const age = /^(\d{1,5})([hdwmy])$/i.exec(value)
    if (age !== null) {
      const from = now - Number(age[1]) * (AGE_UNITS[age[2]?.toLowerCase() ?? ''] ?? DAY)
      return { from, end: now }
    }
    const today = Math.floor((now + offset) / DAY) * DAY
    if (/^today$/i.test(value)) return { from: today - offset, end: today + DAY - offset }
    if (/^yesterday$/i.test(value)) return { from: today - DAY - offset, end: today - offset }
    const parts = /^(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?$/.exec(value)
    if (parts === null) return undefined
    const year = Number(parts[1])
    const month = parts[2] === undefined ? undefined : Number(parts[2])
    const day = parts[3] === undefined ? undefined : Number(parts[3])
    if (year < 1 || (month !== undefined && (month < 1 || month > 12))) return undefined
    const start = utc(year, (month ?? 1) - 1, day ?? 1)
    // 31 February would silently be 2 March.
    if (day !== undefined && (day < 1 || new Date(start).getUTCDate() !== day)) return undefined
    const end = day !== undefined ? start + DAY : month !== undefined ? utc(year, month, 1) : utc(year + 1, 0, 1)
    return { from: start - offset, end: end - offset }
  }

  /** Everything up to white space or a parenthesis. */
  #word(): string {
    const start = this.#at
    while (this.#at < this.#text.length) {
      const c = this.#text[this.#at] ?? ''
      if (isSpace(c) || c === '(' || c === ')' || c === '"') break
      this.#at++
    }
    // Never stand still: an unexpected character is a word of its own.
    if (this.#at === start && this.#at < this.#text.length && !isSpace(this.#text[start] ?? '')) {
      if (this.#text[start] !== '(' && this.#text[start] !== ')' && this.#text[start] !== '"') this.#at++
    }
    return this.#text.slice(start, this.#at)
  }

  /** What is between quotes; a missing end is the end of the query. */
  #quoted(): string {
    const start = ++this.#at
    while (this.#at < this.#text.length && !CLOSE_QUOTES.includes(this.#text[this.#at] ?? '')) this.#at++
    const value = this.#text.slice(start, this.#at)
    if (this.#at < this.#text.length) this.#at++
    return value
  }

  #count(): boolean {
    if (++this.#terms <= MAX_QUERY_TERMS) return true
    this.#warn(`Only the first ${MAX_QUERY_TERMS} words and conditions of a query count.`)
    return false
  }

  #isKeyword(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false
    const next = this.#text[this.#at + word.length] ?? ' '
    return isSpace(next) || next === '(' || next === ')'
  }

  #keyword(word: string): boolean {
    this.#space()
    if (!this.#isKeyword(word)) return false
    this.#at += word.length
    return true
  }

  #space(): void {
    while (this.#at < this.#text.length && isSpace(this.#text[this.#at] ?? '')) this.#at++
  }

  #peek(): string {
    return this.#text[this.#at] ?? ''
  }

  #warn(sentence: string): void {
    if (this.#warnings.length < MAX_WARNINGS && !this.#warnings.includes(sentence)) this.#warnings.push(sentence)
  }
}

function leaf(plan: SearchPlan): QueryNode {
  return { kind: 'leaf', plan }
}

function join(kind: 'and' | 'or', nodes: readonly QueryNode[]): QueryNode | undefined {
  return nodes.length > 1 ? { kind, nodes } : nodes[0]
}

function isSpace(c: string): boolean {
  return /\s/.test(c)
}

/** Date.UTC takes years below 100 for 19xx. */
function utc(year: number, month: number, day: number): number {
  const date = new Date(0)
  date.setUTCFullYear(year, month, day)
  return date.getTime()
}
