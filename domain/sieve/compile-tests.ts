// Tests of a script, checked and made ready to run.
import { Arguments, INDEX_TAGS, MATCH_TAGS, need, PART_TAGS, type Scope, type Signature } from './arguments.ts'
import { type Place, SieveStop } from './limits.ts'
import type { AddressPart, Capability, FieldIndex, Match, Test, Text, Texts } from './program.ts'
import type { Node } from './syntax.ts'
import { shown } from './tokens.ts'

interface TestCompiler {
  readonly requires?: Capability
  readonly signature: Signature
  compile(args: Arguments, node: Node, scope: Scope): Test
}

/** Fields that hold addresses: `address` looks into no others (RFC 5228 §5.1). */
const ADDRESS_FIELDS: ReadonlySet<string> = new Set(
  'from to cc bcc sender reply-to return-path delivered-to x-original-to envelope-to apparently-to errors-to return-receipt-to disposition-notification-to original-recipient final-recipient abuse-reports-to x-envelope-from x-envelope-to x-sender x-beenthere mail-followup-to mail-reply-to resent-from resent-to resent-cc resent-bcc resent-sender resent-reply-to'.split(
    ' ',
  ),
)

export const DATE_PARTS = [
  'year',
  'month',
  'day',
  'date',
  'julian',
  'hour',
  'minute',
  'second',
  'time',
  'iso8601',
  'std11',
  'zone',
  'weekday',
] as const

/** A month: nobody asks a server to remember more. */
const MAX_REMEMBERED_SECONDS = 31 * 86_400
const REMEMBERED_SECONDS = 7 * 86_400

const TESTS: Readonly<Record<string, TestCompiler>> = {
  header: {
    signature: { tags: { ...MATCH_TAGS, ...INDEX_TAGS }, positional: ['strings', 'strings'] },
    compile: (args, node) => ({
      type: 'header',
      headers: fieldNames(args, 0),
      ...fieldIndex(args),
      ...compared(args, 1, node),
    }),
  },
  address: {
    signature: { tags: { ...MATCH_TAGS, ...PART_TAGS, ...INDEX_TAGS }, positional: ['strings', 'strings'] },
    compile: (args, node) => {
      const headers = fieldNames(args, 0)
      const other = headers.find((name) => typeof name === 'string' && !ADDRESS_FIELDS.has(name.toLowerCase()))
      if (other !== undefined)
        throw new SieveStop(
          args.place(0),
          `The field ${shown(String(other))} holds no addresses: use the test header for it.`,
        )
      return { type: 'address', headers, part: partOf(args), ...fieldIndex(args), ...compared(args, 1, node) }
    },
  },
  envelope: {
    requires: 'envelope',
    signature: { tags: { ...MATCH_TAGS, ...PART_TAGS }, positional: ['strings', 'strings'] },
    compile: (args, node) => {
      const parts = args.texts(0)
      const other = parts.find((part) => typeof part === 'string' && !['from', 'to'].includes(part.toLowerCase()))
      if (other !== undefined)
        throw new SieveStop(args.place(0), `An envelope has the parts "from" and "to", but no ${shown(String(other))}.`)
      return { type: 'envelope', parts, part: partOf(args), ...compared(args, 1, node) }
    },
  },
  exists: {
    signature: { positional: ['strings'] },
    compile: (args, { place }) => ({ type: 'exists', headers: fieldNames(args, 0), place }),
  },
  size: {
    signature: { tags: { over: { group: 'size' }, under: { group: 'size' } }, positional: ['number'] },
    compile: (args, node) => {
      if (!args.has('over') && !args.has('under'))
        throw new SieveStop(node.place, 'size needs :over or :under before its number.')
      return { type: 'size', over: args.has('over'), bytes: args.number(0) }
    },
  },
  string: {
    requires: 'variables',
    signature: { tags: MATCH_TAGS, positional: ['strings', 'strings'] },
    compile: (args, node) => ({ type: 'string', sources: args.texts(0), ...compared(args, 1, node) }),
  },
  hasflag: {
    requires: 'imap4flags',
    signature: { tags: MATCH_TAGS, positional: ['strings'], optionalFirst: 'strings' },
    compile: (args, node, scope) => {
      const variables = args.first()
      if (variables) need(scope, 'variables', node.place, 'hasflag with variables')
      return { type: 'hasflag', ...(variables ? { variables } : {}), ...compared(args, 0, node) }
    },
  },
  body: {
    requires: 'body',
    signature: {
      tags: {
        ...MATCH_TAGS,
        raw: { group: 'transform' },
        content: { group: 'transform', takes: 'strings' },
        text: { group: 'transform' },
      },
      positional: ['strings'],
    },
    compile: (args, node) => {
      const content = args.tagTexts('content')
      return {
        type: 'body',
        transform: content ? { content } : args.has('raw') ? 'raw' : 'text',
        ...compared(args, 0, node),
      }
    },
  },
  date: {
    requires: 'date',
    signature: {
      tags: {
        ...MATCH_TAGS,
        ...INDEX_TAGS,
        zone: { takes: 'string', group: 'zone' },
        originalzone: { group: 'zone' },
      },
      positional: ['string', 'string', 'strings'],
    },
    compile: (args, node) => {
      const zone = args.has('originalzone') ? 'original' : zoneOf(args)
      return {
        type: 'date',
        header: fieldName(args.text(0), args.place(0)),
        ...fieldIndex(args),
        part: datePart(args, 1),
        ...(zone === undefined ? {} : { zone }),
        ...compared(args, 2, node),
      }
    },
  },
  currentdate: {
    requires: 'date',
    signature: { tags: { ...MATCH_TAGS, zone: { takes: 'string' } }, positional: ['string', 'strings'] },
    compile: (args, node) => {
      const zone = zoneOf(args)
      return {
        type: 'date',
        part: datePart(args, 0),
        ...(zone === undefined ? {} : { zone }),
        ...compared(args, 1, node),
      }
    },
  },
  environment: {
    requires: 'environment',
    signature: { tags: MATCH_TAGS, positional: ['string', 'strings'] },
    compile: (args, node) => ({ type: 'environment', item: args.text(0), ...compared(args, 1, node) }),
  },
  mailboxexists: {
    requires: 'mailbox',
    signature: { positional: ['strings'] },
    compile: (args, { place }, scope) => {
      scope.usesFolders = true
      return { type: 'mailboxexists', mailboxes: args.texts(0), place }
    },
  },
  specialuse_exists: {
    requires: 'special-use',
    signature: { positional: ['strings'], optionalFirst: 'string' },
    compile: (args, { place }, scope) => {
      scope.usesFolders = true
      const mailbox = args.first()?.[0]
      return { type: 'specialuse', ...(mailbox === undefined ? {} : { mailbox }), uses: args.texts(0), place }
    },
  },
  duplicate: {
    requires: 'duplicate',
    signature: {
      tags: {
        handle: { takes: 'string' },
        header: { takes: 'string', group: 'id' },
        uniqueid: { takes: 'string', group: 'id' },
        seconds: { takes: 'number' },
        last: {},
      },
      positional: [],
    },
    compile: (args, { place }) => {
      const handle = args.tagText('handle')
      const header = args.tagText('header')
      const uniqueId = args.tagText('uniqueid')
      return {
        type: 'duplicate',
        ...(handle === undefined ? {} : { handle }),
        ...(header === undefined ? {} : { header: fieldName(header, args.placeOf('header')) }),
        ...(uniqueId === undefined ? {} : { uniqueId }),
        seconds: Math.min(args.tagNumber('seconds') ?? REMEMBERED_SECONDS, MAX_REMEMBERED_SECONDS),
        last: args.has('last'),
        place,
      }
    },
  },
}

/** Throws `SieveStop` at the first thing that is wrong with a test. */
export function compileTest(node: Node, scope: Scope): Test {
  switch (node.name) {
    case 'true':
    case 'false':
      bare(node, 0)
      return { type: 'constant', value: node.name === 'true' }
    case 'not': {
      bare(node, 1)
      return { type: 'not', test: compileTest(node.tests[0] as Node, scope) }
    }
    case 'allof':
    case 'anyof':
      bare(node, undefined)
      return { type: node.name, tests: node.tests.map((test) => compileTest(test, scope)) }
    default: {
      const known = Object.hasOwn(TESTS, node.name) ? TESTS[node.name] : undefined
      if (!known) throw new SieveStop(node.place, `There is no test ${shown(node.name)}.`)
      if (known.requires) need(scope, known.requires, node.place, `The test ${node.name}`)
      if (node.tests.length > 0) throw new SieveStop(node.tests[0]?.place ?? node.place, `${node.name} takes no tests.`)
      return known.compile(new Arguments(node, known.signature, scope), node, scope)
    }
  }
}

/** No arguments, and exactly so many tests; undefined: a list of them in parentheses. */
function bare(node: Node, tests: number | undefined): void {
  const [arg] = node.args
  if (arg) throw new SieveStop(arg.place, `${node.name} takes no argument.`)
  if (tests === undefined ? node.testList : node.tests.length === tests && !node.testList) return
  const what = tests === 0 ? 'no test' : tests === 1 ? 'one test' : 'a list of tests in parentheses'
  throw new SieveStop(node.place, `${node.name} takes ${what}.`)
}

function compared(args: Arguments, keys: number, { place }: Node): { match: Match; keys: Texts; place: Place } {
  return { match: args.match(), keys: args.texts(keys), place }
}

function partOf(args: Arguments): AddressPart {
  for (const part of ['localpart', 'domain', 'user', 'detail'] as const) if (args.has(part)) return part
  return 'all'
}

/** RFC 5260 §6. */
export function fieldIndex(args: Arguments): { readonly index?: FieldIndex } {
  const number = args.tagNumber('index')
  if (number === undefined) {
    if (args.has('last')) throw new SieveStop(args.placeOf('last'), ':last needs :index and a number beside it.')
    return {}
  }
  if (number === 0) throw new SieveStop(args.placeOf('index'), ':index counts from 1.')
  return { index: { number, last: args.has('last') } }
}

function fieldNames(args: Arguments, index: number): Texts {
  const names = args.texts(index)
  for (const name of names) fieldName(name, args.place(index))
  return names
}

export function fieldName(name: Text, place: Place): Text {
  if (typeof name === 'string' && !isFieldName(name))
    throw new SieveStop(place, `${shown(name)} is not the name of a header field.`)
  return name
}

/** RFC 5322 §2.2: printable ASCII without a colon. */
export const isFieldName = (name: string): boolean => /^[\x21-\x39\x3b-\x7e]{1,200}$/.test(name)

function zoneOf(args: Arguments): Text | undefined {
  const zone = args.tagText('zone')
  if (typeof zone === 'string' && !/^[+-]\d{4}$/.test(zone))
    throw new SieveStop(args.placeOf('zone'), `After :zone comes an offset such as "+0900", not ${shown(zone)}.`)
  return zone
}

function datePart(args: Arguments, index: number): Text {
  const part = args.text(index)
  if (typeof part === 'string' && !(DATE_PARTS as readonly string[]).includes(part.toLowerCase()))
    throw new SieveStop(args.place(index), `There is no part ${shown(part)} of a date: use ${DATE_PARTS.join(', ')}.`)
  return part
}
