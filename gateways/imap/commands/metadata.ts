// GETMETADATA and SETMETADATA (RFC 5464).
import {
  type Change,
  changeAnnotations,
  entryOf,
  readAnnotations,
  type Wanted,
  writeAnnotations,
} from '../annotations.ts'
import { BadCommand } from '../errors.ts'
import { demand, type Place } from '../places.ts'
import type { Session } from '../session.ts'
import type { Command, CommandArguments } from './command.ts'

const MAX_ENTRIES = 100

export const getMetadata: Command = {
  name: 'GETMETADATA',
  when: 'signed-in',
  async run(session, args) {
    args.space()
    // The grammar has the options before the mailbox, the examples behind it: clients do both.
    let options = args.peek() === '(' ? readOptions(words(args)) : undefined
    if (options) args.space()
    const name = args.astring()
    args.space()
    let entries = words(args)
    if (!options && entries[0] !== undefined && !entries[0].startsWith('/')) {
      options = readOptions(entries)
      args.space()
      entries = words(args)
    }
    args.end()
    const wanted = { ...(options ?? NO_OPTIONS), entries: readEntries(entries) }
    const place = await placeOf(session, name)
    if (place) demand(place, 'lr')
    const { found, longest } = await readAnnotations(session, place, wanted)
    writeAnnotations(session, place ? session.nameOut(place.path) : '""', found)
    return longest > 0 ? { code: `METADATA LONGENTRIES ${longest}` } : {}
  },
}

export const setMetadata: Command = {
  name: 'SETMETADATA',
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const name = args.astring()
    args.space()
    const changes: Change[] = args.list(() => {
      const entry = entryOf(args.astring())
      args.space()
      return { entry, value: args.nstring() }
    })
    args.end()
    if (changes.length > MAX_ENTRIES) throw new BadCommand('Too many entries in one command')
    if (new Set(changes.map(({ entry }) => entry)).size < changes.length) throw new BadCommand('An entry has one value')
    await changeAnnotations(session, await placeOf(session, name), changes)
    return {}
  },
}

/** One word, or a list of them. */
export function words(args: CommandArguments): readonly string[] {
  return args.peek() === '(' ? args.list(() => args.astring()) : [args.astring()]
}

export function readEntries(written: readonly string[]): readonly string[] {
  if (written.length > MAX_ENTRIES) throw new BadCommand('Too many entries in one command')
  return [...new Set(written.map(entryOf))]
}

type Options = Omit<Wanted, 'entries'>
export const NO_OPTIONS: Options = { depth: '0', maxSize: Number.POSITIVE_INFINITY }

/** `MAXSIZE 1024 DEPTH 1`, as a list of words. */
function readOptions(written: readonly string[]): Options {
  let options = NO_OPTIONS
  for (let i = 0; i < written.length; i += 2) {
    const [name = '', value = ''] = [written[i]?.toUpperCase(), written[i + 1]?.toLowerCase()]
    if (name === 'MAXSIZE' && /^\d{1,10}$/.test(value)) options = { ...options, maxSize: Number(value) }
    else if (name === 'DEPTH' && (value === '0' || value === '1' || value === 'infinity'))
      options = { ...options, depth: value }
    else throw new BadCommand('Options are MAXSIZE and DEPTH, which is 0, 1 or infinity')
  }
  return options
}

/** Undefined for the server itself. */
async function placeOf(session: Session, name: string): Promise<Place | undefined> {
  return name === '' ? undefined : session.needPlace(session.nameIn(name))
}
