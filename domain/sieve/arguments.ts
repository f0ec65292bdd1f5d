// Tags and positional arguments of one command or test (RFC 5228 §2.6), against the signature that it has.
import { type Place, type Problem, SieveStop } from './limits.ts'
import {
  type Capability,
  COMPARATORS,
  type Comparator,
  type Match,
  type Relation,
  type Text,
  type Texts,
} from './program.ts'
import type { Argument, Node } from './syntax.ts'
import { readText } from './text.ts'
import { shown } from './tokens.ts'

/** What a compiler knows while it reads a script: what was required, and what is wrong so far. */
export interface Scope {
  readonly required: ReadonlySet<string>
  readonly problems: Problem[]
  usesFolders: boolean
}

export type ArgumentKind = 'string' | 'strings' | 'number'

export interface TagSignature {
  readonly takes?: ArgumentKind
  readonly requires?: Capability
  /** Of the tags of one group a command has at most one. */
  readonly group?: string
}

export interface Signature {
  readonly tags?: Readonly<Record<string, TagSignature>>
  readonly positional: readonly ArgumentKind[]
  /** May stand before the others. */
  readonly optionalFirst?: ArgumentKind
  /** How many of the last may be left out. */
  readonly optionalLast?: number
}

const NAMES: Readonly<Record<ArgumentKind, string>> = {
  string: 'a text in quotes',
  strings: 'a text or a list of texts',
  number: 'a number',
}

/** Arguments that fit their signature. */
export class Arguments {
  readonly #node: Node
  readonly #scope: Scope
  readonly #tags = new Map<string, Argument | undefined>()
  readonly #positional: readonly Argument[]
  readonly #shift: number

  /** Throws `SieveStop` at the first argument that does not fit. */
  constructor(node: Node, signature: Signature, scope: Scope) {
    this.#node = node
    this.#scope = scope
    const rest = [...node.args]
    const groups = new Map<string, string>()
    while (rest[0]?.kind === 'tag') {
      const tag = rest.shift() as Extract<Argument, { kind: 'tag' }>
      const known = signature.tags && Object.hasOwn(signature.tags, tag.name) ? signature.tags[tag.name] : undefined
      if (!known) throw new SieveStop(tag.place, `${node.name} has no tag :${tag.name}.${choices(signature)}`)
      if (known.requires) need(scope, known.requires, tag.place, `The tag :${tag.name}`)
      const group = known.group ?? tag.name
      const earlier = groups.get(group)
      if (earlier !== undefined) {
        const why =
          earlier === tag.name ? `:${tag.name} stands here twice` : `:${earlier} and :${tag.name} exclude each other`
        throw new SieveStop(tag.place, `${why}.`)
      }
      groups.set(group, tag.name)
      let value: Argument | undefined
      if (known.takes) {
        value = rest.shift()
        if (!value || !fits(value, known.takes))
          throw new SieveStop(value?.place ?? tag.place, `After :${tag.name} comes ${NAMES[known.takes]}.`)
      }
      this.#tags.set(tag.name, value)
    }
    const { positional, optionalFirst, optionalLast = 0 } = signature
    const withFirst = optionalFirst !== undefined && rest.length > positional.length
    const expected = withFirst ? [optionalFirst, ...positional] : positional
    this.#shift = withFirst ? 1 : 0
    for (const [i, kind] of expected.entries()) {
      const given = rest[i]
      if (!given) {
        if (i >= expected.length - optionalLast) break
        throw new SieveStop(node.place, `${node.name} lacks an argument: ${NAMES[kind]}.`)
      }
      if (given.kind === 'tag')
        throw new SieveStop(given.place, `:${given.name} must stand before the arguments without a name.`)
      if (!fits(given, kind)) throw new SieveStop(given.place, `${NAMES[kind]} is expected here.`)
    }
    const extra = rest[expected.length]
    if (extra) throw new SieveStop(extra.place, `${node.name} takes no further argument here.`)
    this.#positional = rest
  }

  has(tag: string): boolean {
    return this.#tags.has(tag)
  }

  tagText(tag: string): Text | undefined {
    const value = this.#tags.get(tag)
    return value?.kind === 'string' ? this.#text(value.text, value.place) : undefined
  }

  tagTexts(tag: string): Texts | undefined {
    const value = this.#tags.get(tag)
    return value === undefined ? undefined : this.#texts(value)
  }

  tagNumber(tag: string): number | undefined {
    const value = this.#tags.get(tag)
    return value?.kind === 'number' ? value.value : undefined
  }

  placeOf(tag: string): Place {
    return this.#tags.get(tag)?.place ?? this.#node.place
  }

  text(index: number): Text {
    const value = this.#positional[index + this.#shift]
    return value?.kind === 'string' ? this.#text(value.text, value.place) : ''
  }

  texts(index: number): Texts {
    const value = this.#positional[index + this.#shift]
    return value === undefined ? [] : this.#texts(value)
  }

  number(index: number): number {
    const value = this.#positional[index + this.#shift]
    return value?.kind === 'number' ? value.value : 0
  }

  /** The argument that may stand before the others. */
  first(): Texts | undefined {
    const value = this.#shift === 1 ? this.#positional[0] : undefined
    return value && this.#texts(value)
  }

  place(index: number): Place {
    return this.#positional[index + this.#shift]?.place ?? this.#node.place
  }

  /** How a test compares: `:is` under `i;ascii-casemap` unless tags say otherwise (RFC 5228 §2.7). */
  match(): Match {
    const comparator = this.#comparator()
    for (const type of ['count', 'value'] as const) {
      const relation = this.#tags.get(type)
      if (relation?.kind !== 'string') continue
      const word = relation.text.toLowerCase()
      if (!isRelation(word))
        throw new SieveStop(relation.place, `After :${type} comes one of "gt", "ge", "lt", "le", "eq" and "ne".`)
      return { type, relation: word, comparator }
    }
    const type = this.has('contains') ? 'contains' : this.has('matches') ? 'matches' : 'is'
    if (comparator === 'i;ascii-numeric' && type !== 'is')
      throw new SieveStop(
        this.placeOf('comparator'),
        `The comparator i;ascii-numeric cannot look inside texts: it does not go with :${type}.`,
      )
    return { type, comparator }
  }

  #comparator(): Comparator {
    const given = this.#tags.get('comparator')
    if (given?.kind !== 'string') return 'i;ascii-casemap'
    const found = COMPARATORS.find((each) => each === given.text.toLowerCase())
    if (!found)
      throw new SieveStop(given.place, `There is no comparator ${shown(given.text)}: use ${COMPARATORS.join(', ')}.`)
    if (found === 'i;ascii-numeric')
      need(this.#scope, 'comparator-i;ascii-numeric', given.place, `The comparator ${found}`)
    return found
  }

  #texts(value: Argument): Texts {
    if (value.kind === 'string') return [this.#text(value.text, value.place)]
    return value.kind === 'strings' ? value.items.map(({ text, place }) => this.#text(text, place)) : []
  }

  #text(text: string, place: Place): Text {
    const { required } = this.#scope
    return readText(text, place, {
      encodedCharacters: required.has('encoded-character'),
      variables: required.has('variables'),
    })
  }
}

/** Throws when an extension is used that the script does not require. */
export function need(scope: Scope, capability: Capability, place: Place, what: string): void {
  if (scope.required.has(capability)) return
  throw new SieveStop(place, `${what} needs require "${capability}"; at the top of the script.`)
}

const fits = (value: Argument, kind: ArgumentKind): boolean =>
  kind === 'strings' ? value.kind === 'strings' || value.kind === 'string' : value.kind === kind

function choices({ tags }: Signature): string {
  const names = Object.keys(tags ?? {})
  return names.length === 0 ? '' : ` It has ${names.map((name) => `:${name}`).join(', ')}.`
}

const isRelation = (word: string): word is Relation => ['gt', 'ge', 'lt', 'le', 'eq', 'ne'].includes(word)

/** Tags of every test that compares (RFC 5228 §2.7, RFC 5231). */
export const MATCH_TAGS: Readonly<Record<string, TagSignature>> = {
  is: { group: 'match type' },
  contains: { group: 'match type' },
  matches: { group: 'match type' },
  count: { group: 'match type', takes: 'string', requires: 'relational' },
  value: { group: 'match type', takes: 'string', requires: 'relational' },
  comparator: { takes: 'string' },
}

/** Tags that choose a part of addresses (RFC 5228 §2.7.4, RFC 5233). */
export const PART_TAGS: Readonly<Record<string, TagSignature>> = {
  all: { group: 'address part' },
  localpart: { group: 'address part' },
  domain: { group: 'address part' },
  user: { group: 'address part', requires: 'subaddress' },
  detail: { group: 'address part', requires: 'subaddress' },
}

export const INDEX_TAGS: Readonly<Record<string, TagSignature>> = {
  index: { takes: 'number', requires: 'index' },
  last: { requires: 'index' },
}
