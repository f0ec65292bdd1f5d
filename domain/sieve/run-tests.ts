// Tests of a running script: what is true of the message, its envelope and the world (RFC 5228 §5 and the extensions).
import { splitTag } from '../mail/address.ts'
import { datePart, readDate, readZone, type ZonedDate } from './dates.ts'
import { splitFlags } from './flags.ts'
import type { Subject } from './match.ts'
import { type Field, pickFields } from './message.ts'
import type { AddressPart, Test } from './program.ts'
import type { Run } from './run.ts'

export function evaluate(test: Test, run: Run): boolean {
  run.spend(1)
  switch (test.type) {
    case 'constant':
      return test.value
    case 'not':
      return !evaluate(test.test, run)
    case 'allof':
      return test.tests.every((each) => evaluate(each, run))
    case 'anyof':
      return test.tests.some((each) => evaluate(each, run))
    case 'exists':
      return test.headers.every((name) => run.header.named(run.text(name)).length > 0)
    case 'size':
      return test.over ? run.world.message.size > test.bytes : run.world.message.size < test.bytes
    case 'header': {
      const values = fieldsOf(test, run).map(({ value }) => value)
      return run.compare(test.match, values, test.keys, test.place)
    }
    case 'address': {
      const addresses = fieldsOf(test, run).flatMap((field) => field.addresses)
      return run.compare(test.match, partsOf(addresses, test.part), test.keys, test.place, { count: addresses.length })
    }
    case 'envelope': {
      const { mailFrom, recipient } = run.world
      const addresses = run
        .texts(test.parts)
        .flatMap((part) =>
          part.toLowerCase() === 'from' ? [mailFrom] : part.toLowerCase() === 'to' ? [recipient] : [],
        )
      const count = addresses.filter((address) => address !== '').length
      return run.compare(test.match, partsOf(addresses, test.part), test.keys, test.place, { count })
    }
    case 'string': {
      const sources = run.texts(test.sources)
      const count = sources.filter((source) => source !== '').length
      return run.compare(test.match, sources.map(subject), test.keys, test.place, { count })
    }
    case 'hasflag': {
      const flags = test.variables
        ? test.variables.flatMap((name) => splitFlags([run.variable(run.text(name).toLowerCase())]))
        : run.flags
      if (test.match.type === 'count')
        return run.compare(test.match, [], test.keys, test.place, { count: flags.length })
      // A key may be a list of flags itself, of which each counts (RFC 5232 §4).
      const keys = splitFlags(run.texts(test.keys))
      return run.compare(test.match, flags.map(subject), keys, test.place)
    }
    case 'body': {
      const { message } = run.world
      const { transform } = test
      const values =
        transform === 'raw'
          ? message.rawBody
          : transform === 'text'
            ? message.texts
            : message.contents(run.texts(transform.content))
      return run.compare(test.match, values, test.keys, test.place, { quiet: true })
    }
    case 'date': {
      const value = dateValue(test, run)
      return run.compare(test.match, value === undefined ? [] : [subject(value)], test.keys, test.place)
    }
    case 'environment': {
      const value = run.world.environment[run.text(test.item).toLowerCase()]
      return value !== undefined && run.compare(test.match, [subject(value)], test.keys, test.place)
    }
    case 'mailboxexists':
      return run.texts(test.mailboxes).every((path) => run.world.folderExists(path))
    case 'specialuse': {
      const path = test.mailbox === undefined ? undefined : run.text(test.mailbox)
      return run.texts(test.uses).every((use) => run.world.hasSpecialUse(use, path))
    }
    case 'duplicate': {
      const { handle, header, uniqueId, seconds, last } = test
      const id =
        uniqueId === undefined
          ? run.header.named(header === undefined ? 'message-id' : run.text(header))[0]?.value.text
          : run.text(uniqueId)
      if (id === undefined || id === '') return false
      return run.isSeen({ handle: handle === undefined ? '' : run.text(handle), id, seconds, last })
    }
    default: {
      const _: never = test
      return _
    }
  }
}

/** Several names count as one list, in their order (RFC 5260 §6). */
function fieldsOf({ headers, index }: Extract<Test, { type: 'header' | 'address' }>, run: Run): readonly Field[] {
  const fields = headers.flatMap((name) => run.header.named(run.text(name)))
  return pickFields(fields, index)
}

const subject = (text: string): Subject => ({ text })

/** The chosen part of each address; a null reverse-path is '' in every part (RFC 5228 §5.4), and no tag is no detail (RFC 5233 §4). */
function partsOf(addresses: readonly string[], part: AddressPart): readonly Subject[] {
  return addresses.flatMap((address) => {
    if (address === '' || part === 'all') return [subject(address)]
    const sign = address.lastIndexOf('@')
    // A bare word is an address as a whole, and has no parts.
    if (sign < 0) return []
    const local = address.slice(0, sign)
    switch (part) {
      case 'localpart':
        return [subject(local)]
      case 'domain':
        return [subject(address.slice(sign + 1))]
      case 'user':
        return [subject(splitTag(local).user)]
      case 'detail': {
        const { tag } = splitTag(local)
        return tag === undefined ? [] : [subject(tag)]
      }
      default: {
        const _: never = part
        return _
      }
    }
  })
}

function dateValue(test: Extract<Test, { type: 'date' }>, run: Run): string | undefined {
  const { now, zone: here } = run.world
  let date: ZonedDate | undefined = { at: now, zone: here }
  if (test.header !== undefined) {
    const [field] = pickFields(run.header.named(run.text(test.header)), test.index)
    date = field && readDate(field.value.text)
  }
  if (date === undefined) return undefined
  const zone = test.zone === 'original' ? date.zone : test.zone === undefined ? here : readZone(run.text(test.zone))
  return zone === undefined ? undefined : datePart({ at: date.at, zone }, run.text(test.part))
}
