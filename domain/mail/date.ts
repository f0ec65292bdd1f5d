// The Date field (RFC 5322 §3.3, obsolete zones and years of §4.3, and the ISO and ctime forms found in old mail).
import { withoutComments } from './parameters.ts'

const MONTHS = 'janfebmaraprmayjunjulaugsepoctnovdec'
const ZONES: Readonly<Record<string, number>> = {
  ut: 0,
  utc: 0,
  gmt: 0,
  z: 0,
  wet: 0,
  bst: 60,
  cet: 60,
  met: 60,
  mez: 60,
  cest: 120,
  mest: 120,
  eet: 120,
  eest: 180,
  msk: 180,
  ist: 330,
  sgt: 480,
  hkt: 480,
  jst: 540,
  kst: 540,
  est: -300,
  edt: -240,
  cst: -360,
  cdt: -300,
  mst: -420,
  mdt: -360,
  pst: -480,
  pdt: -420,
  akst: -540,
  akdt: -480,
  hst: -600,
}

/** Epoch milliseconds of a date field, or undefined when it cannot be read. No zone means UTC. */
export function parseDate(value: string): number | undefined {
  const text = withoutComments(value.slice(0, 200), ' ').replace(/\s*:\s*/g, ':')
  const words = text.split(/[\s,]+/).filter((word) => word !== '')
  let day: number | undefined
  let month: number | undefined
  let year: number | undefined
  let time: readonly number[] | undefined
  let offset: number | undefined
  for (const word of words) {
    const iso = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:T(.+))?$/i.exec(word)
    const dashed = /^(\d{1,2})[-/]([A-Za-z]{3,9})[-/](\d{2,4})$/.exec(word)
    if (iso !== null && day === undefined) {
      year = Number(iso[1])
      month = Number(iso[2])
      day = Number(iso[3])
      const clock = iso[4] === undefined ? null : /^([\d:.]+)(Z|[+-]\d\d:?\d\d)?$/i.exec(iso[4])
      if (clock !== null) {
        time = parseClock(clock[1] as string)
        offset = clock[2] === undefined ? undefined : parseZone(clock[2])
      }
    } else if (dashed !== null && day === undefined) {
      day = Number(dashed[1])
      month = parseMonth(dashed[2] as string)
      year = fullYear(dashed[3] as string)
    } else if (time === undefined && /^\d{1,2}[:.]\d{1,2}/.test(word)) {
      const clock = /^([\d:.]+)([+-]\d{4})?/.exec(word)
      time = parseClock(clock?.[1] ?? '')
      if (clock?.[2] !== undefined) offset = parseZone(clock[2])
    } else if (/^\d{1,4}$/.test(word)) {
      if (day === undefined && word.length <= 2) day = Number(word)
      else if (year === undefined) year = fullYear(word)
    } else if (month === undefined && parseMonth(word) !== undefined) month = parseMonth(word)
    else if (time !== undefined && offset === undefined) offset = parseZone(word)
  }
  if (day === undefined || month === undefined || year === undefined) return undefined
  if (day < 1 || day > 31 || month < 1 || month > 12 || year < 1900 || year > 9999) return undefined
  const [hour = 0, minute = 0, second = 0] = time ?? []
  if (hour > 24 || minute > 59 || second > 60) return undefined
  return Date.UTC(year, month - 1, day, hour, minute, Math.min(second, 59)) - (offset ?? 0) * 60_000
}

function parseMonth(word: string): number | undefined {
  if (word.length < 3 || !/^[a-z]+\.?$/i.test(word)) return undefined
  const at = MONTHS.indexOf(word.slice(0, 3).toLowerCase())
  return at === -1 || at % 3 !== 0 ? undefined : at / 3 + 1
}

function fullYear(word: string): number {
  const year = Number(word)
  if (word.length === 2) return year < 50 ? 2000 + year : 1900 + year
  return word.length === 3 ? 1900 + year : year
}

function parseClock(text: string): readonly number[] {
  return text.split(/[:.]/, 3).map((part) => Number(part) || 0)
}

/** Minutes east of UTC; letters of the military zones are unreliable and mean UTC (RFC 5322 §4.3). */
function parseZone(word: string): number | undefined {
  const numeric = /^(?:GMT|UTC)?([+-])(\d{1,2}):?(\d{2})$/i.exec(word)
  if (numeric !== null) {
    const minutes = Number(numeric[2]) * 60 + Number(numeric[3])
    return numeric[1] === '-' ? -minutes : minutes
  }
  const name = word.toLowerCase()
  return Object.hasOwn(ZONES, name) ? ZONES[name] : undefined
}
