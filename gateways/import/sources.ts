// What a path holds: .eml files, folders of them, mbox files, Maildirs with their flags and subfolders.
import { lstat, open, readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type FromQuoting, readMbox } from './mbox.ts'

export interface SourceMessage {
  readonly raw: Buffer
  /** When it came, where the source says so, epoch milliseconds. */
  readonly date?: number
  readonly flags: readonly string[]
  /** Folder below the target, for Maildir++ subfolders: names from the top. */
  readonly folder: readonly string[]
  /** Bytes of the source behind this message, for the progress bar. */
  readonly bytes: number
}

export interface Source {
  readonly path: string
  readonly kind: 'eml' | 'mbox' | 'maildir'
  readonly bytes: number
}

/** Files larger than this are not messages. */
const MAX_MESSAGE = 256 * 1024 * 1024

export class NoSuchSource extends Error {}

/** Lists what is to be read below the paths, in a fixed order. Hidden files and files that are not mail are left out. */
export async function findSources(paths: readonly string[]): Promise<readonly Source[]> {
  const sources: Source[] = []
  for (const path of paths) await find(path, sources, true)
  return sources
}

async function find(path: string, sources: Source[], named: boolean): Promise<void> {
  const facts = await (named ? stat(path) : lstat(path)).catch(() => undefined)
  if (!facts) {
    if (named) throw new NoSuchSource(`There is no file or folder ${path}.`)
    return
  }
  if (facts.isDirectory()) {
    const names = (await readdir(path)).sort()
    if (names.includes('cur') && names.includes('new')) return findMaildir(path, names, sources)
    for (const name of names) if (!name.startsWith('.')) await find(join(path, name), sources, false)
    return
  }
  if (!facts.isFile() || facts.size === 0) return
  const kind = await kindOf(path, named)
  if (kind) sources.push({ path, kind, bytes: facts.size })
}

async function findMaildir(path: string, names: readonly string[], sources: Source[]): Promise<void> {
  let bytes = 0
  for (const sub of ['cur', 'new']) {
    for (const name of await readdir(join(path, sub)))
      bytes += (await stat(join(path, sub, name)).catch(() => undefined))?.size ?? 0
  }
  sources.push({ path, kind: 'maildir', bytes })
  for (const name of names) {
    if (!/^\.[^.]/.test(name)) continue
    const below = join(path, name)
    const inner = await readdir(below).catch(() => [] as string[])
    if (inner.includes('cur') && inner.includes('new')) await findMaildir(below, [], sources)
  }
}

/** By name, else by the first bytes: a From_ line is an mbox, a header field is a message. */
async function kindOf(path: string, named: boolean): Promise<'eml' | 'mbox' | undefined> {
  const file = await open(path, 'r')
  const head = Buffer.alloc(512)
  const { bytesRead } = await file.read(head, 0, head.length, 0).finally(() => file.close())
  const text = head.toString('latin1', 0, bytesRead)
  const isMbox = /^From .*\d{1,2}:\d{2}.*\d{4}\r?\n/.test(text)
  if (/\.eml$/i.test(path)) return 'eml'
  if (isMbox) return 'mbox'
  return named || /^[!-9;-~]+[ \t]*:/.test(text) ? 'eml' : undefined
}

/** The messages of one source, in order. */
export async function* readSource(source: Source, quoting: FromQuoting): AsyncGenerator<SourceMessage> {
  switch (source.kind) {
    case 'eml': {
      if (source.bytes > MAX_MESSAGE) return
      const raw = await readFile(source.path)
      yield { raw, flags: [], folder: [], bytes: source.bytes }
      return
    }
    case 'mbox': {
      let done = 0
      for await (const { raw, date, end } of readMbox(source.path, quoting)) {
        yield { raw, flags: statusFlags(raw), folder: [], bytes: end - done, ...(date === undefined ? {} : { date }) }
        done = end
      }
      return
    }
    case 'maildir':
      yield* readMaildir(source.path)
      return
    default: {
      const _: never = source.kind
      return _
    }
  }
}

async function* readMaildir(path: string): AsyncGenerator<SourceMessage> {
  const name = basename(path)
  const folder = /^\.[^.]/.test(name) ? name.slice(1).split('.').map(folderName) : []
  for (const sub of ['cur', 'new']) {
    for (const file of (await readdir(join(path, sub))).sort()) {
      const full = join(path, sub, file)
      // A mail program may move or delete a message meanwhile.
      const facts = await stat(full).catch(() => undefined)
      if (!facts?.isFile() || facts.size > MAX_MESSAGE) continue
      const raw = await readFile(full).catch(() => undefined)
      if (!raw) continue
      yield { raw, date: Math.floor(facts.mtimeMs), flags: maildirFlags(file), folder, bytes: raw.length }
    }
  }
}

/** Maildir++ writes folder names in the modified UTF-7 of IMAP (RFC 3501 §5.1.3). */
function folderName(name: string): string {
  const decoded = name.replace(/&([A-Za-z0-9+,]*)-/g, (whole, coded: string) => {
    if (coded === '') return '&'
    const bytes = Buffer.from(coded.replaceAll(',', '/'), 'base64')
    return bytes.length % 2 === 0 ? bytes.swap16().toString('utf16le') : whole
  })
  return decoded.replace(/[\u0000-\u001f\u007f/]/g, '-').toWellFormed()
}

const MAILDIR_FLAGS: Readonly<Record<string, string>> = {
  D: '\\draft',
  F: '\\flagged',
  P: '$forwarded',
  R: '\\answered',
  S: '\\seen',
  T: '\\deleted',
}

/** The letters behind ':2,' of a Maildir file name. */
export function maildirFlags(name: string): readonly string[] {
  const letters = /[:;!]2,([A-Za-z]*)$/.exec(name)?.[1] ?? ''
  return [...letters].flatMap((letter) => MAILDIR_FLAGS[letter] ?? [])
}

const STATUS_FLAGS: Readonly<Record<string, string>> = {
  R: '\\seen',
  A: '\\answered',
  F: '\\flagged',
  T: '\\draft',
  D: '\\deleted',
}

/** Status and X-Status fields, where mail programs that use mbox keep flags. */
export function statusFlags(raw: Buffer): readonly string[] {
  const end = raw.indexOf('\n\n') >= 0 ? raw.indexOf('\n\n') : Math.max(0, raw.indexOf('\r\n\r\n'))
  const header = raw.toString('latin1', 0, Math.min(end, 65_536))
  const letters = [...header.matchAll(/^(?:X-)?Status:[ \t]*([A-Z]+)/gim)].map((match) => match[1]).join('')
  return [...new Set([...letters].flatMap((letter) => STATUS_FLAGS[letter] ?? []))]
}
