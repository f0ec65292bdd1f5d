// Dates and sizes as people read them.

import { preferences } from '../data/preferences.ts'
import type { Address } from '../data/types.ts'

const formats = new Map<string, Intl.DateTimeFormat>()

function format(options: Intl.DateTimeFormatOptions, key: string): Intl.DateTimeFormat {
  const { language } = preferences()
  const full = `${language} ${key}`
  let made = formats.get(full)
  if (!made) {
    made = new Intl.DateTimeFormat(language === 'en' ? 'en-GB' : language, options)
    formats.set(full, made)
  }
  return made
}

/** HH:mm today, D Mon this year, with the year before that. */
export function shortDate(iso: string, now = new Date()): string {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return ''
  if (date.toDateString() === now.toDateString()) return clock(date)
  if (date.getFullYear() === now.getFullYear()) return format({ day: 'numeric', month: 'short' }, 'day').format(date)
  return format({ day: 'numeric', month: 'short', year: 'numeric' }, 'year').format(date)
}

export const clock = (date: Date): string =>
  format({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }, 'clock').format(date)

export function fullDate(iso: string): string {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return ''
  return format(
    {
      weekday: 'short',
      day: 'numeric',
      month: 'short',
      year: 'numeric',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    },
    'full',
  ).format(date)
}

export function relativeDate(iso: string, now = Date.now()): string {
  const seconds = Math.round((Date.parse(iso) - now) / 1000)
  if (Number.isNaN(seconds)) return ''
  const { language } = preferences()
  const words = new Intl.RelativeTimeFormat(language, { numeric: 'auto' })
  const size = Math.abs(seconds)
  if (size < 60) return words.format(0, 'minute')
  if (size < 3600) return words.format(Math.trunc(seconds / 60), 'minute')
  if (size < 86_400) return words.format(Math.trunc(seconds / 3600), 'hour')
  if (size < 86_400 * 30) return words.format(Math.trunc(seconds / 86_400), 'day')
  if (size < 86_400 * 365) return words.format(Math.trunc(seconds / (86_400 * 30)), 'month')
  return words.format(Math.trunc(seconds / (86_400 * 365)), 'year')
}

export function fileSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = ''
  for (const next of units) {
    if (value < 1000) break
    value /= 1000
    unit = next
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`
}

export const personName = (address: Address | undefined): string =>
  address ? address.name?.trim() || address.address : ''

/** `Kim` for a list of many: the part of a name that tells people apart at a glance. */
export const briefNames = (people: readonly Address[]): string => {
  const first = people[0]
  if (people.length === 0 || !first) return ''
  if (people.length === 1) return personName(first)
  return people.map((each) => personName(each).split(/[\s@]/)[0]).join(', ')
}

/** `Firefox on Linux` for what a browser calls itself; anything else as it is. */
export function clientTitle(name: string): string {
  if (!name.startsWith('Mozilla/')) return name
  const browser = /(Firefox|Edg|OPR|Chrome|Safari)\//.exec(name.replace('HeadlessChrome', 'Chrome'))?.[1] ?? ''
  const system = /(Windows|iPhone|iPad|Android|Mac OS X|Linux)/.exec(name)?.[1] ?? ''
  const titles: Record<string, string> = { Edg: 'Edge', OPR: 'Opera', 'Mac OS X': 'macOS' }
  return [browser, system]
    .map((part) => titles[part] ?? part)
    .filter(Boolean)
    .join(' · ')
}
