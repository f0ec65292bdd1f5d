// From the text of a script to a program: syntax, then every command and test against what it may hold (RFC 5228 §2.10.5).

import { normalizeAddress, parseAddressList } from '../mail/address.ts'
import { MAX_FOLDER_DEPTH } from '../mailbox/mailbox.ts'
import { Arguments, MATCH_TAGS, need, type Scope, type Signature } from './arguments.ts'
import { compileTest, fieldIndex, fieldName } from './compile-tests.ts'
import { type Place, type Problem, SieveStop } from './limits.ts'
import {
  BUILT_IN,
  CAPABILITIES,
  type Capability,
  type Modifier,
  type Program,
  type Step,
  type Text,
  type Texts,
} from './program.ts'
import { type Node, parseScript } from './syntax.ts'
import { shown } from './tokens.ts'

export type Compiled = { readonly program: Program } | { readonly problems: readonly Problem[] }

/** More are not told at once. */
const MAX_PROBLEMS = 20

/** Reads and checks a script. Never throws; every problem that can be told from the others is told, in the order of the script. */
export function compileScript(script: string): Compiled {
  if (!script.isWellFormed()) return { problems: [{ line: 1, column: 1, message: 'The script is not UTF-8 text.' }] }
  const parsed = parseScript(script)
  if ('problem' in parsed) return { problems: [parsed.problem] }
  const required = new Set<string>()
  const scope: Scope & { problems: Problem[] } = { required, problems: [], usesFolders: false }
  const commands = [...parsed.commands]
  while (commands[0]?.name === 'require') readRequire(commands.shift() as Node, required, scope)
  const steps = compileBlock(commands, scope)
  if (scope.problems.length > 0) return { problems: scope.problems.slice(0, MAX_PROBLEMS) }
  return { program: { steps, usesFolders: scope.usesFolders, patterns: new Map() } }
}

function readRequire(node: Node, required: Set<string>, scope: Scope): void {
  guarded(scope, () => {
    plain(node)
    const args = new Arguments(node, { positional: ['strings'] }, { ...scope, required: new Set() })
    for (const name of args.texts(0)) {
      const known = [...CAPABILITIES, ...BUILT_IN].find((each) => each === name)
      if (known === undefined)
        scope.problems.push({
          ...args.place(0),
          message: `The extension ${shown(String(name))} is not known here. There are: ${CAPABILITIES.join(', ')}.`,
        })
      else required.add(known)
    }
    // RFC 5429 and 6131 name what they build on.
    if (required.has('vacation-seconds')) required.add('vacation')
  })
}

/** Goes on behind a wrong command, so that one check tells of all of them. */
function guarded<T>(scope: Scope, compile: () => T): T | undefined {
  try {
    return compile()
  } catch (error) {
    if (!(error instanceof SieveStop)) throw error
    scope.problems.push(error.problem)
    return undefined
  }
}

function compileBlock(nodes: readonly Node[], scope: Scope): readonly Step[] {
  const steps: Step[] = []
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i] as Node
    if (node.name === 'if') {
      const chain = [node]
      while (nodes[i + 1]?.name === 'elsif' || nodes[i + 1]?.name === 'else') {
        chain.push(nodes[++i] as Node)
        if (nodes[i]?.name === 'else') break
      }
      steps.push({ type: 'if', branches: chain.map((each) => compileBranch(each, scope)) })
      continue
    }
    const step = guarded(scope, () => compileCommand(node, scope))
    if (step) steps.push(step)
  }
  return steps
}

function compileBranch(node: Node, scope: Scope) {
  const test = guarded(scope, () => {
    const [arg] = node.args
    if (arg) throw new SieveStop(arg.place, `After ${node.name} comes a test such as header or address.`)
    if (!node.block) throw new SieveStop(node.place, `${node.name} needs a block in { }.`)
    if (node.name === 'else') {
      if (node.tests.length > 0) throw new SieveStop(node.place, 'else takes no test: elsif does.')
      return undefined
    }
    if (node.tests.length !== 1 || node.testList) {
      throw new SieveStop(node.place, `${node.name} takes one test; several go into anyof ( ) or allof ( ).`)
    }
    return compileTest(node.tests[0] as Node, scope)
  })
  return { ...(test === undefined ? {} : { test }), steps: compileBlock(node.block ?? [], scope) }
}

/** A command has no tests and no block unless it is `if`. */
function plain(node: Node): void {
  const [test] = node.tests
  if (test) throw new SieveStop(test.place, `${node.name} takes no test. Is a ; missing before ${test.name}?`)
  if (node.block) throw new SieveStop(node.place, `${node.name} takes no block.`)
}

interface CommandCompiler {
  readonly requires?: Capability
  readonly signature: Signature
  compile(args: Arguments, node: Node, scope: Scope): Step
}

const DAY = 86_400
const MAX_VACATION_SECONDS = 365 * DAY

const FLAGS_COMMAND = (change: 'set' | 'add' | 'remove'): CommandCompiler => ({
  requires: 'imap4flags',
  signature: { positional: ['strings'], optionalFirst: 'string' },
  compile: (args, { place, name }, scope) => {
    const variable = args.first()?.[0]
    if (variable !== undefined) need(scope, 'variables', place, `${name} with a variable`)
    return {
      type: 'flags',
      change,
      ...(variable === undefined ? {} : { variable: variableName(variable, place) }),
      flags: args.texts(0),
      place,
    }
  },
})

const REJECT = (extended: boolean): CommandCompiler => ({
  requires: extended ? 'ereject' : 'reject',
  signature: { positional: ['string'] },
  compile: (args, { place }) => ({ type: 'reject', extended, reason: args.text(0), place }),
})

const COMMANDS: Readonly<Record<string, CommandCompiler>> = {
  stop: { signature: { positional: [] }, compile: () => ({ type: 'stop' }) },
  discard: { signature: { positional: [] }, compile: (_, { place }) => ({ type: 'discard', place }) },
  keep: {
    signature: { tags: { flags: { takes: 'strings', requires: 'imap4flags' } }, positional: [] },
    compile: (args, { place }) => ({ type: 'keep', ...flagsOf(args), place }),
  },
  fileinto: {
    requires: 'fileinto',
    signature: {
      tags: {
        flags: { takes: 'strings', requires: 'imap4flags' },
        copy: { requires: 'copy' },
        create: { requires: 'mailbox' },
        specialuse: { takes: 'string', requires: 'special-use' },
      },
      positional: ['string'],
    },
    compile: (args, { place }, scope) => {
      scope.usesFolders = true
      const specialUse = args.tagText('specialuse')
      const mailbox = args.text(0)
      if (typeof mailbox === 'string') {
        const problem = mailboxProblem(mailbox)
        if (problem) throw new SieveStop(args.place(0), problem)
      }
      return {
        type: 'fileinto',
        mailbox,
        ...flagsOf(args),
        copy: args.has('copy'),
        create: args.has('create'),
        ...(specialUse === undefined ? {} : { specialUse }),
        place,
      }
    },
  },
  redirect: {
    signature: { tags: { copy: { requires: 'copy' } }, positional: ['string'] },
    compile: (args, { place }) => {
      const address = args.text(0)
      if (typeof address === 'string' && normalizeAddress(address) === undefined)
        throw new SieveStop(args.place(0), `${shown(address)} is not an e-mail address.`)
      return { type: 'redirect', address, copy: args.has('copy'), place }
    },
  },
  reject: REJECT(false),
  ereject: REJECT(true),
  set: {
    requires: 'variables',
    signature: {
      tags: {
        lower: { group: ':lower or :upper' },
        upper: { group: ':lower or :upper' },
        lowerfirst: { group: ':lowerfirst or :upperfirst' },
        upperfirst: { group: ':lowerfirst or :upperfirst' },
        quotewildcard: {},
        length: {},
      },
      positional: ['string', 'string'],
    },
    compile: (args, { place }) => ({
      type: 'set',
      name: variableName(args.text(0), args.place(0)),
      value: args.text(1),
      modifiers: MODIFIERS.filter((modifier) => args.has(modifier)),
      place,
    }),
  },
  setflag: FLAGS_COMMAND('set'),
  addflag: FLAGS_COMMAND('add'),
  removeflag: FLAGS_COMMAND('remove'),
  addheader: {
    requires: 'editheader',
    signature: { tags: { last: {} }, positional: ['string', 'string'] },
    compile: (args, { place }) => ({
      type: 'addheader',
      name: fieldName(args.text(0), args.place(0)),
      value: args.text(1),
      last: args.has('last'),
      place,
    }),
  },
  deleteheader: {
    requires: 'editheader',
    signature: {
      tags: { ...MATCH_TAGS, index: { takes: 'number' }, last: {} },
      positional: ['string', 'strings'],
      optionalLast: 1,
    },
    compile: (args, { place }) => {
      const patterns = args.texts(1)
      return {
        type: 'deleteheader',
        name: fieldName(args.text(0), args.place(0)),
        ...fieldIndex(args),
        match: args.match(),
        ...(patterns.length === 0 ? {} : { patterns }),
        place,
      }
    },
  },
  vacation: {
    requires: 'vacation',
    signature: {
      tags: {
        days: { takes: 'number', group: ':days or :seconds' },
        seconds: { takes: 'number', requires: 'vacation-seconds', group: ':days or :seconds' },
        subject: { takes: 'string' },
        from: { takes: 'string' },
        addresses: { takes: 'strings' },
        mime: {},
        handle: { takes: 'string' },
      },
      positional: ['string'],
    },
    compile: (args, { place }) => {
      const subject = args.tagText('subject')
      const from = args.tagText('from')
      const handle = args.tagText('handle')
      if (typeof from === 'string' && parseAddressList(from).filter(({ address }) => address !== '').length !== 1)
        throw new SieveStop(args.placeOf('from'), `${shown(from)} is not one e-mail address.`)
      return {
        type: 'vacation',
        seconds: Math.min(
          args.tagNumber('seconds') ?? Math.max(args.tagNumber('days') ?? 7, 1) * DAY,
          MAX_VACATION_SECONDS,
        ),
        ...(subject === undefined ? {} : { subject }),
        ...(from === undefined ? {} : { from }),
        addresses: args.tagTexts('addresses') ?? [],
        mime: args.has('mime'),
        ...(handle === undefined ? {} : { handle }),
        reason: args.text(0),
        place,
      }
    },
  },
}

/** In the order in which they apply (RFC 5229 §4.1). */
const MODIFIERS: readonly Modifier[] = ['lower', 'upper', 'lowerfirst', 'upperfirst', 'quotewildcard', 'length']

function compileCommand(node: Node, scope: Scope): Step {
  const known = Object.hasOwn(COMMANDS, node.name) ? COMMANDS[node.name] : undefined
  if (!known) throw new SieveStop(node.place, unknownCommand(node.name))
  if (known.requires) need(scope, known.requires, node.place, `The command ${node.name}`)
  plain(node)
  return known.compile(new Arguments(node, known.signature, scope), node, scope)
}

function unknownCommand(name: string): string {
  if (name === 'require') return 'require must stand before every other command.'
  if (name === 'elsif' || name === 'else') return `${name} must follow the block of an if or elsif.`
  return `There is no command ${shown(name)}.`
}

function flagsOf(args: Arguments): { readonly flags?: Texts } {
  const flags = args.tagTexts('flags')
  return flags ? { flags } : {}
}

function variableName(name: Text, place: Place): string {
  if (typeof name !== 'string' || !/^[A-Za-z_]\w{0,63}$/.test(name))
    throw new SieveStop(
      place,
      `${typeof name === 'string' ? shown(name) : 'What changes'} is not a name for a variable.`,
    )
  return name.toLowerCase()
}

/** What is wrong with the path of a mailbox (folders with / between them), if anything. */
export function mailboxProblem(path: string): string | undefined {
  const names = path.split('/')
  if (names.some((name) => name === '' || name.length > 200))
    return `${shown(path)} is not a folder: names have 1 to 200 characters, with / between them.`
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'The name of a folder holds no control characters.'
  if (names.length > MAX_FOLDER_DEPTH) return `Folders nest at most ${MAX_FOLDER_DEPTH} deep.`
  return undefined
}
