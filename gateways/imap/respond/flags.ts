// Flags and times as IMAP writes them.
import { MONTHS } from '../arguments.ts'

const SPELLED: Readonly<Record<string, string>> = {
  '\\seen': '\\Seen',
  '\\answered': '\\Answered',
  '\\flagged': '\\Flagged',
  '\\deleted': '\\Deleted',
  '\\draft': '\\Draft',
  $forwarded: '$Forwarded',
  $mdnsent: '$MDNSent',
  $junk: '$Junk',
  $notjunk: '$NotJunk',
  $phishing: '$Phishing',
  $important: '$Important',
}

export const spelled = (flag: string): string => SPELLED[flag] ?? flag

/** The same few sets of flags come again and again, as the same arrays. */
const lists = new WeakMap<readonly string[], string>()
export function flagList(flags: readonly string[]): string {
  const known = lists.get(flags)
  if (known !== undefined) return known
  const list = `(${flags.map(spelled).join(' ')})`
  lists.set(flags, list)
  return list
}

export const SYSTEM = '\\Answered \\Flagged \\Deleted \\Seen \\Draft'

const two = (number: number): string => (number < 10 ? `0${number}` : `${number}`)

/** `"17-Jul-1996 02:44:25 +0000"` (RFC 9051 §9 date-time). */
export function dateTime(at: number): string {
  const date = new Date(at)
  const day = `${date.getUTCDate()}`.padStart(2, ' ')
  const year = `${date.getUTCFullYear()}`.padStart(4, '0')
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`
  return `"${day}-${MONTHS[date.getUTCMonth()]}-${year} ${time} +0000"`
}
