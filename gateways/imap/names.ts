// Names of mailboxes: folders of the log as paths with '/', in modified UTF-7 for clients that have not enabled UTF-8.
import type { FolderRow } from '../../projections/queries.ts'
import { BadCommand, Refused } from './errors.ts'

export const DELIMITER = '/'

export interface NamedFolder {
  readonly path: string
  readonly folder: FolderRow
}

/** All folders of an account with their paths, parents before children. */
export class FolderTree {
  readonly all: readonly NamedFolder[]
  readonly #byPath = new Map<string, FolderRow>()
  readonly #parents = new Set<string>()

  constructor(folders: readonly FolderRow[]) {
    const byId = new Map(folders.map((folder) => [folder.id, folder]))
    const paths = new Map<string, string>()
    const pathOf = (folder: FolderRow, steps = 0): string => {
      const known = paths.get(folder.id)
      if (known !== undefined) return known
      const parent = folder.parentId === null || steps > folders.length ? undefined : byId.get(folder.parentId)
      const own = folder.role === 'inbox' && parent === undefined ? 'INBOX' : folder.name
      const path = parent ? `${pathOf(parent, steps + 1)}${DELIMITER}${own}` : own
      paths.set(folder.id, path)
      return path
    }
    this.all = folders
      .map((folder) => ({ path: pathOf(folder), folder }))
      .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
    for (const { path, folder } of this.all) {
      this.#byPath.set(keyOf(path), folder)
      if (folder.parentId !== null) this.#parents.add(folder.parentId)
    }
  }

  /** Names are the same in any case, as the domain has it; INBOX must be (RFC 9051 §5.1). */
  find(path: string): FolderRow | undefined {
    return this.#byPath.get(keyOf(path))
  }

  /** The folder, or NO [NONEXISTENT]. */
  need(path: string): FolderRow {
    const folder = this.find(path)
    if (!folder) throw new Refused('There is no such mailbox', 'NONEXISTENT')
    return folder
  }

  hasChildren(folder: FolderRow): boolean {
    return this.#parents.has(folder.id)
  }

  pathOf(folderId: string): string | undefined {
    return this.all.find(({ folder }) => folder.id === folderId)?.path
  }
}

/** Paths of one key are one mailbox. */
export const keyOf = (path: string) => path.normalize('NFC').toLowerCase()

/** `Drafts/2026` in its parts. A trailing delimiter only says that there will be children (RFC 9051 §6.3.4). */
export function splitPath(path: string): readonly string[] {
  const parts = (path.endsWith(DELIMITER) ? path.slice(0, -1) : path).split(DELIMITER)
  if (parts.some((part) => part === '')) throw new Refused('A part of this name is empty', 'CANNOT')
  return parts
}

/** RFC 3501 §5.1.3. */
export function encodeUtf7(name: string): string {
  return name.replace(/&|[^\x20-\x7e]+/g, (run) => {
    if (run === '&') return '&-'
    const utf16 = Buffer.from(run, 'utf16le').swap16()
    return `&${utf16.toString('base64').replace(/=+$/, '').replaceAll('/', ',')}-`
  })
}

/** What is not modified UTF-7 is taken as it is: some clients send UTF-8 unasked. */
export function decodeUtf7(name: string): string {
  if (!name.includes('&')) return name
  return name.replace(/&([A-Za-z0-9+,]*)-/g, (whole, base64: string) => {
    if (base64 === '') return '&'
    const bytes = Buffer.from(base64.replaceAll(',', '/'), 'base64')
    if (bytes.length === 0 || bytes.length % 2 === 1) return whole
    const text = Buffer.from(bytes).swap16().toString('utf16le')
    return text.isWellFormed() ? text : whole
  })
}

const MAX_PATTERN = 1000

/** A LIST pattern: `*` is anything, `%` anything but the delimiter (RFC 9051 §6.3.9). In time of pattern times name. */
export function matcher(pattern: string): (path: string) => boolean {
  if (pattern.length > MAX_PATTERN) throw new BadCommand('This pattern is too long')
  const wanted = pattern
    .toLowerCase()
    .replace(/[*%]*\*[*%]*/g, '*')
    .replace(/%+/g, '%')
  return (path) => {
    const name = path.toLowerCase()
    let reached = new Uint8Array(name.length + 1)
    reached[0] = 1
    for (const sign of wanted) {
      const next = new Uint8Array(name.length + 1)
      for (let i = 0; i <= name.length; i++) {
        if (sign === '*' || sign === '%') {
          const before = i > 0 && next[i - 1] === 1 && (sign === '*' || name[i - 1] !== DELIMITER)
          if (reached[i] === 1 || before) next[i] = 1
        } else if (i > 0 && reached[i - 1] === 1 && name[i - 1] === sign) next[i] = 1
      }
      reached = next
    }
    return reached[name.length] === 1
  }
}

/** RFC 6154. */
export const SPECIAL_USE: Readonly<Record<string, string>> = {
  drafts: '\\Drafts',
  sent: '\\Sent',
  archive: '\\Archive',
  junk: '\\Junk',
  trash: '\\Trash',
}
