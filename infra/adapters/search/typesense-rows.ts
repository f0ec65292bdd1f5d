// How messages, folders and the state of the index are documents of one Typesense collection.
//
// Typesense compares strings by what is left of them without case, accents and symbols, so everything that is filtered by is lowercase
// letters and digits here, encoded one to one. It is never asked to search text: a word is an element of `w` that a filter names
// exactly, so that the analyzer alone decides what a word is. What is not in the schema is stored and not indexed.
import { createHash } from 'node:crypto'
import type { AccountId } from '../../../domain/log.ts'
import {
  type HeaderField,
  SEARCH_FIELDS,
  type SearchDocument,
  type SearchFolder,
  type SearchWords,
} from '../../../projections/ports/search-index.ts'
import { isRunCharacter } from '../../../projections/search/analyzer.ts'
import { encodeHeads } from '../../../projections/search/ranking.ts'
import { encodeTrace } from '../../../projections/search/trace.ts'

/** Raised whenever the schema or the encoding changes: an index of another version is rebuilt from the log. */
export const SCHEMA_VERSION = 1

const BOOLS = ['seen', 'answered', 'flagged', 'draft', 'att', 'gone', 'full'] as const
export const SCHEMA_FIELDS = [
  ...['a', 'k', 'f'].map((name) => ({ name, type: 'string' as const })),
  ...['doc', 'at', 'size'].map((name) => ({ name, type: 'int64' as const })),
  ...BOOLS.map((name) => ({ name, type: 'bool' as const })),
  { name: 'w', type: 'string[]' as const },
]

/** What may change of a message, and what an interrupted batch puts back. */
export interface Facts {
  f: string
  fid: string
  seen: boolean
  answered: boolean
  flagged: boolean
  draft: boolean
  gone: boolean
}

/** A message without its words. `full`: its words are there. */
export interface MessageRow extends Facts {
  readonly id: string
  readonly a: string
  readonly k: 'm'
  readonly doc: number
  readonly at: number
  readonly size: number
  readonly att: boolean
  full: boolean
  readonly mid: string
  readonly pos: string
}

export interface Words {
  readonly w: readonly string[]
  /** Base64. */
  readonly heads: string
  readonly trace: string
  /** JSON. */
  readonly words: string
}

export const NO_WORDS: Words & { readonly full: false } = { w: [], heads: '', trace: '', words: '', full: false }
export const FACT_FIELDS = 'id,a,k,f,fid,doc,at,size,seen,answered,flagged,draft,att,gone,full,mid,pos'

const OTHERS = Object.fromEntries(BOOLS.map((name) => [name, false]))

/** The one document that says how far the index is. */
export const STATE_ID = 'state'
export const newState = () => ({
  id: STATE_ID,
  a: 'state',
  k: 's',
  f: 'x',
  doc: 0,
  at: 0,
  size: 0,
  ...OTHERS,
  w: [],
  cp: '',
  undo: '',
})

/** Lowercase letters and digits, one to one: plain ids stay readable. */
export const encoded = (id: string): string =>
  /^[a-z0-9]{1,60}$/.test(id)
    ? `p${id}`
    : Buffer.byteLength(id) <= 30
      ? `x${Buffer.from(id).toString('hex')}`
      : `h${sha(id)}`
const sha = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 48)

export const accountKey = (account: AccountId): string => `u${encoded(account)}`
export const messageKey = (account: AccountId, id: string): string => `m${accountKey(account)}z${encoded(id)}`
export const folderKey = (account: AccountId, id: string): string => `f${accountKey(account)}z${encoded(id)}`

export function messageRow(account: AccountId, document: SearchDocument, folderId: string): MessageRow {
  const has = (flag: string) => document.flags.includes(`\\${flag}`)
  return {
    id: messageKey(account, document.messageId),
    a: accountKey(account),
    k: 'm',
    f: encoded(folderId),
    fid: folderId,
    doc: Number(document.arrivedAt),
    at: document.receivedAt,
    size: document.size,
    ...{ seen: has('seen'), answered: has('answered'), flagged: has('flagged'), draft: has('draft') },
    att: document.hasAttachment,
    gone: false,
    full: true,
    mid: document.messageId,
    pos: String(document.position),
  }
}

export function folderRow(account: AccountId, folder: SearchFolder, order: number): object {
  const { id, name, parentId, role } = folder
  const ids = { id: folderKey(account, id), a: accountKey(account), k: 'f', f: encoded(id) }
  return {
    ...ids,
    doc: order,
    at: 0,
    size: 0,
    ...OTHERS,
    w: [],
    fid: id,
    name,
    parent: parentId ?? '',
    root: parentId === null,
    role: role ?? '',
  }
}

export interface FolderRow {
  readonly fid: string
  readonly doc: number
  readonly name: string
  readonly parent: string
  readonly root: boolean
  readonly role: string
}

export const folderOf = ({ fid, name, parent, root, role }: FolderRow): SearchFolder => ({
  id: fid,
  name,
  parentId: root ? null : parent,
  role: role === '' ? null : (role as SearchFolder['role']),
})

export function wordsRow(words: SearchWords): Words & { readonly full: true } {
  return {
    w: elements(words),
    heads: Buffer.from(encodeHeads(words)).toString('base64'),
    trace: Buffer.from(encodeTrace(words)).toString('base64'),
    words: JSON.stringify(words),
    full: true,
  }
}

/** Beginnings of words that are elements of their own; one of another length is looked for by the next shorter and then compared. */
const BEGINNINGS = [1, 2, 3, 4, 6, 8, 12] as const
const MARKS: Readonly<Record<HeaderField | 'any', string>> = {
  any: 'a',
  subject: 's',
  from: 'f',
  to: 'o',
  cc: 'c',
  filename: 'n',
}

/** Every word and beginning of a message, once for all fields and once for its own. */
function elements(words: SearchWords): string[] {
  const all = new Set<string>()
  for (const field of SEARCH_FIELDS) {
    if (words[field] === '') continue
    const marks = field === 'body' ? [MARKS.any] : [MARKS.any, MARKS[field]]
    for (const token of new Set(words[field].split(' '))) {
      const kinds = [`w${plainToken(token)}`, ...beginnings(token)]
      for (const mark of marks) for (const kind of kinds) all.add(mark + kind)
    }
  }
  return [...all]
}

function beginnings(token: string): string[] {
  // Tokens of runs are one or two characters: the second makes them whole.
  if (isRunCharacter(token)) return [`b${plainToken([...token][0] ?? '')}`]
  const characters = [...token]
  return BEGINNINGS.filter((length) => length <= characters.length).map(
    (length) => `b${plainToken(characters.slice(0, length).join(''))}`,
  )
}

const plainToken = (token: string): string =>
  /^[a-z0-9]+$/.test(token)
    ? `p${token}`
    : token.length <= 12
      ? `x${Buffer.from(token).toString('hex')}`
      : `h${sha(token)}`

/** The element that all documents with the token have, or with one that begins like it; `exact` when no others do. */
export function elementOf(
  field: HeaderField | 'any',
  token: string,
  prefix: boolean,
): { readonly element: string; readonly exact: boolean } {
  if (!prefix) return { element: `${MARKS[field]}w${plainToken(token)}`, exact: true }
  const characters = [...token]
  if (isRunCharacter(token)) {
    // A whole token of two characters begins only itself.
    const kind = characters.length > 1 ? 'w' : 'b'
    return { element: `${MARKS[field]}${kind}${plainToken(token)}`, exact: true }
  }
  const length = BEGINNINGS.findLast((each) => each <= characters.length) ?? 1
  const begins = characters.slice(0, length).join('')
  return { element: `${MARKS[field]}b${plainToken(begins)}`, exact: length === characters.length }
}
