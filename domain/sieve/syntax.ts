// The grammar of RFC 5228 §8.2: what any Sieve script is, before the meaning of its commands is looked at.
import { type Place, type Problem, SIEVE_LIMITS, SieveStop } from './limits.ts'
import { type Token, Tokens } from './tokens.ts'

export interface Literal {
  readonly text: string
  readonly place: Place
}

export type Argument =
  | { readonly kind: 'tag' /** Lowercase, without the colon. */; readonly name: string; readonly place: Place }
  | { readonly kind: 'number'; readonly value: number; readonly place: Place }
  | { readonly kind: 'string'; readonly text: string; readonly place: Place }
  | { readonly kind: 'strings'; readonly items: readonly Literal[]; readonly place: Place }

/** A command or a test: an identifier with arguments and tests; commands may have a block. */
export interface Node {
  /** Lowercase. */
  readonly name: string
  readonly place: Place
  readonly args: readonly Argument[]
  readonly tests: readonly Node[]
  /** Whether the tests stand in parentheses. */
  readonly testList: boolean
  readonly block?: readonly Node[]
}

/** The commands of a script, or the first place where it is not Sieve. Never throws. */
export function parseScript(script: string): { readonly commands: readonly Node[] } | { readonly problem: Problem } {
  try {
    return { commands: new Parser(script).script() }
  } catch (error) {
    if (error instanceof SieveStop) return { problem: error.problem }
    throw error
  }
}

class Parser {
  readonly #tokens: Tokens
  #token: Token
  #nodes = 0

  constructor(script: string) {
    this.#tokens = new Tokens(script)
    this.#token = this.#tokens.next()
  }

  script(): readonly Node[] {
    const commands = this.#commands(0)
    if (this.#token.kind !== 'end') this.#stop(`There is a ${this.#token.kind} too many.`)
    return commands
  }

  #commands(depth: number): readonly Node[] {
    const commands: Node[] = []
    while (this.#token.kind === 'identifier') commands.push(this.#command(depth))
    if (this.#token.kind !== 'end' && this.#token.kind !== '}') {
      this.#stop(`A command such as fileinto is expected here, not ${described(this.#token)}.`)
    }
    return commands
  }

  #command(depth: number): Node {
    const head = this.#head(0)
    if (this.#token.kind === ';') {
      this.#advance()
      return head
    }
    if (this.#token.kind !== '{') {
      this.#stop(`The command ${head.name} ends with ; or has a block in { }: ${described(this.#token)} fits neither.`)
    }
    if (depth >= SIEVE_LIMITS.nesting) this.#stop(`Blocks nest at most ${SIEVE_LIMITS.nesting} deep.`)
    const opened = this.#token.place
    this.#advance()
    const block = this.#commands(depth + 1)
    if ((this.#token as Token).kind !== '}') throw new SieveStop(opened, 'This block has no end: close it with }.')
    this.#advance()
    return { ...head, block }
  }

  /** An identifier with its arguments and tests. */
  #head(depth: number): Node {
    if (this.#token.kind !== 'identifier') this.#stop(`A test is expected here, not ${described(this.#token)}.`)
    const { text: name, place } = this.#token as Extract<Token, { kind: 'identifier' }>
    if (++this.#nodes > SIEVE_LIMITS.nodes) this.#stop(`A script has at most ${SIEVE_LIMITS.nodes} commands and tests.`)
    this.#advance()
    const args: Argument[] = []
    for (let arg = this.#argument(); arg; arg = this.#argument()) args.push(arg)
    if (this.#token.kind !== 'identifier' && this.#token.kind !== '(') {
      return { name, place, args, tests: [], testList: false }
    }
    if (depth >= SIEVE_LIMITS.nesting) this.#stop(`Tests nest at most ${SIEVE_LIMITS.nesting} deep.`)
    if (this.#token.kind === 'identifier') {
      return { name, place, args, tests: [this.#head(depth + 1)], testList: false }
    }
    const tests: Node[] = []
    do {
      this.#advance()
      tests.push(this.#head(depth + 1))
    } while ((this.#token as Token).kind === ',')
    if ((this.#token as Token).kind !== ')') this.#stop(`A comma or ) is expected here, not ${described(this.#token)}.`)
    this.#advance()
    return { name, place, args, tests, testList: true }
  }

  #argument(): Argument | undefined {
    const token = this.#token
    switch (token.kind) {
      case 'tag':
        this.#advance()
        return { kind: 'tag', name: token.text, place: token.place }
      case 'number':
      case 'string':
        this.#advance()
        return token
      case '[':
        return { kind: 'strings', items: this.#strings(), place: token.place }
      default:
        return undefined
    }
  }

  #strings(): readonly Literal[] {
    const items: Literal[] = []
    do {
      this.#advance()
      if (this.#token.kind !== 'string') this.#stop(`A list holds texts in quotes, not ${described(this.#token)}.`)
      items.push(this.#token as Extract<Token, { kind: 'string' }>)
      this.#advance()
    } while ((this.#token as Token).kind === ',')
    if ((this.#token as Token).kind !== ']') this.#stop(`A comma or ] is expected here, not ${described(this.#token)}.`)
    this.#advance()
    return items
  }

  #advance(): void {
    this.#token = this.#tokens.next()
  }

  #stop(message: string): never {
    throw new SieveStop(this.#token.place, message)
  }
}

function described(token: Token): string {
  switch (token.kind) {
    case 'identifier':
      return token.text
    case 'tag':
      return `:${token.text}`
    case 'number':
      return `the number ${token.value}`
    case 'string':
      return 'a text'
    case 'end':
      return 'the end of the script'
    default:
      return token.kind
  }
}
