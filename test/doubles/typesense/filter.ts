// The filter language of the Typesense double, as far as recorded answers of a real server show it. Strict: what they do not show, or
// show to be unreliable (&& beside || without parentheses), is refused with 501.
export interface Field {
  readonly name: string
  readonly type: string
  readonly optional: boolean
  readonly sort: boolean
  readonly [more: string]: unknown
}
export type Document = Record<string, unknown> & { readonly id: string }
export type Matcher = (document: Document) => boolean

/** An answer of the server that is not 200. */
export class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}
export const unknown = (what: string): Refusal => new Refusal(501, `The Typesense double does not know ${what}`)

const unparsable = (why = ''): Refusal => new Refusal(400, `Could not parse the filter query${why}.`)

/** Strings are compared by what is left of them: lowercase, without accents and symbols, split at spaces and newlines. */
export function normalTokens(text: string): string[] {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .split(/[ \n]+/)
    .map((token) => token.replace(/[^\p{L}\p{N}]/gu, ''))
    .filter((token) => token !== '')
}
const normal = (text: string): string => normalTokens(text).join(' ')

export function compileFilter(text: string, fields: ReadonlyMap<string, Field>): Matcher {
  if (text.trim() === '') return () => true
  return new Parser(text, fields).parse()
}

class Parser {
  readonly #text: string
  readonly #fields: ReadonlyMap<string, Field>
  #at = 0

  constructor(text: string, fields: ReadonlyMap<string, Field>) {
    this.#text = text
    this.#fields = fields
  }

  parse(): Matcher {
    let depth = 0
    let quoted = false
    for (const char of this.#text) {
      if (char === '`') quoted = !quoted
      if (quoted) continue
      if (char === '(') depth++
      if (char === ')' && --depth < 0) throw unparsable(': unbalanced parentheses')
    }
    if (depth !== 0) throw unparsable(': unbalanced parentheses')
    const matcher = this.#expression()
    if (this.#at < this.#text.length) throw unparsable()
    return matcher
  }

  #expression(): Matcher {
    const parts = [this.#term()]
    let operator: string | undefined
    for (;;) {
      this.#space()
      const next = this.#text.slice(this.#at, this.#at + 2)
      if (next !== '&&' && next !== '||') break
      operator ??= next
      if (operator !== next) throw unknown('&& beside || without parentheses')
      this.#at += 2
      parts.push(this.#term())
    }
    if (operator === '||') return (document) => parts.some((part) => part(document))
    return (document) => parts.every((part) => part(document))
  }

  #term(): Matcher {
    this.#space()
    if (this.#text[this.#at] === '(') {
      this.#at++
      const inner = this.#expression()
      this.#space()
      if (this.#text[this.#at] !== ')') throw unparsable()
      this.#at++
      return inner
    }
    if (/^(&&|\|\|)/.test(this.#text.slice(this.#at)) || this.#at >= this.#text.length)
      throw unparsable(': unbalanced `&&` operands')
    const head = /^([A-Za-z_][\w.]*|)\s*:\s*(=|!=|>=|<=|>|<)?\s*/.exec(this.#text.slice(this.#at))
    if (head === null) throw unparsable()
    const [all, name = '', operator = ''] = head
    this.#at += all.length
    return this.#condition(name, operator, this.#values())
  }

  /** One value, or those of a list. */
  #values(): { readonly list: boolean; readonly values: readonly string[] } {
    if (this.#text[this.#at] !== '[') return { list: false, values: [this.#value(/^[^&|()]*/)] }
    this.#at++
    const values: string[] = []
    for (;;) {
      this.#space()
      if (this.#text[this.#at] === ']') break
      if (this.#at >= this.#text.length) throw unparsable()
      values.push(this.#value(/^[^,\]]*/))
      this.#space()
      if (this.#text[this.#at] === ',') this.#at++
    }
    this.#at++
    return { list: true, values }
  }

  #value(plain: RegExp): string {
    if (this.#text[this.#at] === '`') {
      const end = this.#text.indexOf('`', this.#at + 1)
      if (end < 0 || /^[^\s,&|)\]]/.test(this.#text.slice(end + 1))) throw unknown('backticks within a value')
      const value = this.#text.slice(this.#at + 1, end)
      this.#at = end + 1
      return value
    }
    const value = plain.exec(this.#text.slice(this.#at))?.[0] ?? ''
    this.#at += value.length
    if (/^([&|])(?!\1)/.test(this.#text.slice(this.#at))) throw unknown('a single & or |')
    return value.trim()
  }

  #condition(name: string, operator: string, { list, values }: { list: boolean; values: readonly string[] }): Matcher {
    if (name === 'id') {
      if (operator !== '=' && operator !== '') throw unknown(`id:${operator}`)
      const ids = new Set(values)
      return ({ id }) => ids.has(id)
    }
    const field = this.#fields.get(name)
    if (field === undefined) throw new Refusal(404, `Could not find a filter field named \`${name}\` in the schema.`)
    switch (field.type) {
      case 'string':
      case 'string[]': {
        if (!list && values[0] === '' && this.#text[this.#at - 1] !== '`')
          throw new Refusal(400, `Error with filter field \`${name}\`: Filter value cannot be empty.`)
        if (operator !== '=' && operator !== '!=') throw unknown(`the comparator :${operator} of strings`)
        const wanted = new Set(values.map(normal).filter((value) => value !== ''))
        const has = (document: Document): boolean => {
          const value = document[name]
          const all = Array.isArray(value) ? value : value === undefined ? [] : [value]
          return all.some((each) => wanted.has(normal(String(each))))
        }
        return operator === '=' ? has : (document) => !has(document)
      }
      case 'bool': {
        if (list || !/^(|=|!=)$/.test(operator)) throw unknown(`the comparator :${operator} of bool fields`)
        const [value] = values
        if (value !== 'true' && value !== 'false')
          throw new Refusal(400, `Value of filter field \`${name}\` must be \`true\` or \`false\`.`)
        return (document) => (document[name] === (value === 'true')) === (operator !== '!=')
      }
      case 'int64':
      case 'int32':
        return this.#numeric(name, operator, list, values)
      default:
        throw unknown(`filters of ${field.type} fields`)
    }
  }

  #numeric(name: string, operator: string, list: boolean, values: readonly string[]): Matcher {
    const invalid = (why: string) => new Refusal(400, `Error with filter field \`${name}\`: ${why}`)
    if (operator === '!=') throw invalid('Numerical field has an invalid comparator.')
    const numberOf = (text: string): number => {
      if (!/^-?\d+$/.test(text)) throw invalid('Not an int64.')
      // The real server does not answer at all.
      if (!Number.isSafeInteger(Number(text))) throw unknown('numbers that overflow: a real server hangs')
      return Number(text)
    }
    if (list) {
      if (operator !== '' && operator !== '=') throw unknown('comparators with lists of numbers')
      const spans = values.map((value) => value.split('..').map(numberOf))
      return (document) =>
        spans.some(([from = 0, to = from]) => Number(document[name]) >= from && Number(document[name]) <= to)
    }
    const wanted = numberOf(values[0] ?? '')
    const compare = (value: number): boolean => {
      switch (operator) {
        case '>':
          return value > wanted
        case '>=':
          return value >= wanted
        case '<':
          return value < wanted
        case '<=':
          return value <= wanted
        default:
          return value === wanted
      }
    }
    return (document) => document[name] !== undefined && compare(Number(document[name]))
  }

  #space(): void {
    while (this.#text[this.#at] === ' ') this.#at++
  }
}
