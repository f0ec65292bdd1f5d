// Dates for the tests date and currentdate (RFC 5260 §4).
import { parseDate } from '../mail/date.ts'

/** A moment with the zone in which its parts are told. */
export interface ZonedDate {
  /** Epoch milliseconds. */
  readonly at: number
  /** Minutes east of UTC. */
  readonly zone: number
}

/** The date in a field's value, in the zone that it names; what stands before the last semicolon is passed over, for Received. */
export function readDate(value: string): ZonedDate | undefined {
  const text = value.slice(value.lastIndexOf(';') + 1).trim()
  const at = parseDate(text)
  if (at === undefined) return undefined
  // The same clock read as UTC tells how far the zone is from it.
  const clock = parseDate(text.replace(/\s*(?:[+-]\d{4}|\s[A-Za-z]{1,5})\s*(?:\([^()]*\)\s*)?$/, ' +0000'))
  return { at, zone: clock === undefined ? 0 : Math.round((clock - at) / 60_000) }
}

/** Minutes of an offset such as +0900. */
export function readZone(text: string): number | undefined {
  const parts = /^([+-])(\d\d)(\d\d)$/.exec(text)
  if (!parts) return undefined
  const minutes = Number(parts[2]) * 60 + Number(parts[3])
  return parts[1] === '-' ? -minutes : minutes
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
/** Modified Julian Day of 1970-01-01. */
const EPOCH_JULIAN = 40_587

/** One part of a date as text; undefined for a part that does not exist. */
export function datePart({ at, zone }: ZonedDate, part: string): string | undefined {
  const local = new Date(at + zone * 60_000)
  const iso = local.toISOString()
  const time = iso.slice(11, 19)
  const digits = `${String(Math.floor(Math.abs(zone) / 60)).padStart(2, '0')}${String(Math.abs(zone) % 60).padStart(2, '0')}`
  const offset = `${zone < 0 ? '-' : '+'}${digits}`
  switch (part.toLowerCase()) {
    case 'year':
      return iso.slice(0, 4)
    case 'month':
      return iso.slice(5, 7)
    case 'day':
      return iso.slice(8, 10)
    case 'date':
      return iso.slice(0, 10)
    case 'julian':
      return String(Math.floor(local.getTime() / 86_400_000) + EPOCH_JULIAN)
    case 'hour':
      return time.slice(0, 2)
    case 'minute':
      return time.slice(3, 5)
    case 'second':
      return time.slice(6, 8)
    case 'time':
      return time
    case 'iso8601':
      return `${iso.slice(0, 10)}T${time}${zone === 0 ? 'Z' : `${offset.slice(0, 3)}:${offset.slice(3)}`}`
    case 'std11':
      return `${DAYS[local.getUTCDay()]}, ${iso.slice(8, 10)} ${MONTHS[local.getUTCMonth()]} ${iso.slice(0, 4)} ${time} ${offset}`
    case 'zone':
      return offset
    case 'weekday':
      return String(local.getUTCDay())
    default:
      return undefined
  }
}
