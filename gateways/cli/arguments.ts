// Words of a command line, and how results are printed.
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { normalizeAddress } from '../../domain/mail/address.ts'
import type { DirectoryRow } from '../../projections/queries.ts'
import { type CliIo, CliRefusal, type CliServices, CliUsage } from './services.ts'

/** Options and words; anything unknown is wrong usage with Node's own sentence. */
export function parse<T extends ParseArgsOptionsConfig>(argv: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new CliUsage((error as Error).message.split('\n')[0] ?? 'These words are not understood.')
  }
}

export function words(positionals: readonly string[], names: readonly string[]): readonly string[] {
  if (positionals.length < names.length) throw new CliUsage(`${names[positionals.length]} is missing.`)
  if (positionals.length > names.length) throw new CliUsage(`${positionals[names.length]} is one word too many.`)
  return positionals
}

/** The account behind an address. */
export async function accountNamed(services: CliServices, text: string): Promise<DirectoryRow> {
  const normal = normalizeAddress(text)
  if (!normal) throw new CliUsage(`${text} is not an e-mail address.`)
  const found = await services.directory.resolve(normal.address)
  const account = found && found.kind !== 'catch-all' ? await services.directory.account(found.accountId) : undefined
  if (!account || account.erased)
    throw new CliRefusal(`There is no account ${normal.address}. See: everpost account list`)
  return account
}

/** JSON of one value, with bigints as decimal strings. */
export function printJson(io: CliIo, value: unknown): void {
  io.out(`${JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? item.toString() : item))}\n`)
}

/** Rows under a head, columns as wide as their widest cell. */
export function printTable(io: CliIo, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((name, i) => Math.max(width(name), ...rows.map((row) => width(row[i] ?? ''))))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i === cells.length - 1 ? cell : cell + ' '.repeat((widths[i] ?? 0) - width(cell))))
      .join('  ')
      .trimEnd()
  io.out(`${line(head)}\n`)
  for (const row of rows) io.out(`${line(row.map(printable))}\n`)
}

/** Control characters from mail must not reach a terminal. */
export const printable = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')

/** Columns of a terminal: East Asian wide characters take two. */
function width(text: string): number {
  let sum = 0
  for (const character of text)
    sum += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u.test(character) ? 2 : 1
  return sum
}

/** `[#####.....]  42 %  1,234/s  0:12 left`. */
export function progressLine(label: string, done: number, total: number, rate: string, secondsLeft: number): string {
  const share = total > 0 ? Math.min(1, done / total) : 0
  const filled = Math.round(share * 24)
  const percent = `${Math.floor(share * 100)}`.padStart(3)
  return `${label} [${'#'.repeat(filled)}${'.'.repeat(24 - filled)}] ${percent} %  ${rate}  ${duration(secondsLeft)} left`
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–:–'
  const whole = Math.max(0, Math.ceil(seconds))
  const minutes = Math.floor(whole / 60) % 60
  const hours = Math.floor(whole / 3600)
  const tail = `${String(whole % 60).padStart(2, '0')}`
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`
}

export function size(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`
}
