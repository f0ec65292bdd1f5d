// A script that was checked: what is left of it to run, with every text, tag and default in its place.
import type { Place } from './limits.ts'
import type { Pattern } from './match.ts'

/** The extensions of this implementation, as `require` names them and ManageSieve announces them. */
export const CAPABILITIES = [
  'fileinto',
  'envelope',
  'encoded-character',
  'comparator-i;ascii-numeric',
  'imap4flags',
  'vacation',
  'vacation-seconds',
  'relational',
  'subaddress',
  'body',
  'variables',
  'editheader',
  'reject',
  'ereject',
  'copy',
  'mailbox',
  'special-use',
  'date',
  'index',
  'duplicate',
  'environment',
] as const
/** Part of the language itself; `require` may name them all the same. */
export const BUILT_IN = ['comparator-i;octet', 'comparator-i;ascii-casemap'] as const

export type Capability = (typeof CAPABILITIES)[number]

/** A text of a script: as it stands, or with variables (RFC 5229) put in when it is used. */
export type Text = string | Template
export interface Template {
  readonly pieces: readonly TemplatePiece[]
  readonly place: Place
}
/** `match` is the text of a numbered wildcard. */
export type TemplatePiece = string | { readonly variable: string } | { readonly match: number }
export type Texts = readonly Text[]

export const COMPARATORS = ['i;ascii-casemap', 'i;octet', 'i;ascii-numeric'] as const
export type Comparator = (typeof COMPARATORS)[number]
export type Relation = 'gt' | 'ge' | 'lt' | 'le' | 'eq' | 'ne'

export type Match =
  | { readonly type: 'is' | 'contains' | 'matches'; readonly comparator: Comparator }
  /** RFC 5231. */
  | { readonly type: 'value'; readonly relation: Relation; readonly comparator: Comparator }
  | { readonly type: 'count'; readonly relation: Relation; readonly comparator: Comparator }

export type AddressPart = 'all' | 'localpart' | 'domain' | 'user' | 'detail'

/** The n-th field of a name, from the top or from the bottom (RFC 5260 §6). */
export interface FieldIndex {
  readonly number: number
  readonly last: boolean
}

interface Compared {
  readonly match: Match
  readonly keys: Texts
  readonly place: Place
}

export type Test =
  | { readonly type: 'constant'; readonly value: boolean }
  | { readonly type: 'not'; readonly test: Test }
  | { readonly type: 'allof' | 'anyof'; readonly tests: readonly Test[] }
  | { readonly type: 'exists'; readonly headers: Texts; readonly place: Place }
  | { readonly type: 'size'; readonly over: boolean; readonly bytes: number }
  | ({ readonly type: 'header'; readonly headers: Texts; readonly index?: FieldIndex } & Compared)
  | ({
      readonly type: 'address'
      readonly headers: Texts
      readonly part: AddressPart
      readonly index?: FieldIndex
    } & Compared)
  | ({ readonly type: 'envelope'; readonly parts: Texts; readonly part: AddressPart } & Compared)
  | ({ readonly type: 'string'; readonly sources: Texts } & Compared)
  | ({ readonly type: 'hasflag' /** None: the flags of the script itself. */; readonly variables?: Texts } & Compared)
  | ({ readonly type: 'body'; readonly transform: 'raw' | 'text' | { readonly content: Texts } } & Compared)
  | ({
      readonly type: 'date'
      /** Absent: the present moment. */
      readonly header?: Text
      readonly index?: FieldIndex
      readonly part: Text
      /** Absent: the zone of the server. */
      readonly zone?: 'original' | Text
    } & Compared)
  | ({ readonly type: 'environment'; readonly item: Text } & Compared)
  | { readonly type: 'mailboxexists'; readonly mailboxes: Texts; readonly place: Place }
  | { readonly type: 'specialuse'; readonly mailbox?: Text; readonly uses: Texts; readonly place: Place }
  | {
      readonly type: 'duplicate'
      readonly handle?: Text
      /** Where the id comes from; by default the Message-ID field. */
      readonly header?: Text
      readonly uniqueId?: Text
      readonly seconds: number
      readonly last: boolean
      readonly place: Place
    }

export type Modifier = 'lower' | 'upper' | 'lowerfirst' | 'upperfirst' | 'quotewildcard' | 'length'

export interface VacationStep {
  readonly type: 'vacation'
  readonly seconds: number
  readonly subject?: Text
  readonly from?: Text
  readonly addresses: Texts
  readonly mime: boolean
  readonly handle?: Text
  readonly reason: Text
  readonly place: Place
}

export type Step =
  /** A branch without a test is `else`. */
  | { readonly type: 'if'; readonly branches: readonly { readonly test?: Test; readonly steps: readonly Step[] }[] }
  | { readonly type: 'stop' }
  | { readonly type: 'discard'; readonly place: Place }
  | { readonly type: 'keep'; readonly flags?: Texts; readonly place: Place }
  | {
      readonly type: 'fileinto'
      readonly mailbox: Text
      readonly flags?: Texts
      readonly copy: boolean
      readonly create: boolean
      readonly specialUse?: Text
      readonly place: Place
    }
  | { readonly type: 'redirect'; readonly address: Text; readonly copy: boolean; readonly place: Place }
  | { readonly type: 'reject'; readonly extended: boolean; readonly reason: Text; readonly place: Place }
  | {
      readonly type: 'set'
      readonly name: string
      readonly value: Text
      readonly modifiers: readonly Modifier[]
      readonly place: Place
    }
  | {
      readonly type: 'flags'
      readonly change: 'set' | 'add' | 'remove'
      readonly variable?: string
      readonly flags: Texts
      readonly place: Place
    }
  | {
      readonly type: 'addheader'
      readonly name: Text
      readonly value: Text
      readonly last: boolean
      readonly place: Place
    }
  | {
      readonly type: 'deleteheader'
      readonly name: Text
      readonly index?: FieldIndex
      readonly match: Match
      /** Absent: whatever the value. */
      readonly patterns?: Texts
      readonly place: Place
    }
  | VacationStep

export interface Program {
  readonly steps: readonly Step[]
  /** Whether running it may look at folders: then the caller has them at hand. */
  readonly usesFolders: boolean
  /** Wildcard patterns that were read once; bounded. */
  readonly patterns: Map<string, Pattern>
}
