// Searches of the Typesense double: everything that a filter matches, sorted and paged. It does not search text: q is '*'.
import type { Collection, Collections } from './collections.ts'
import { compileFilter, type Document, Refusal, unknown } from './filter.ts'

const PARAMETERS = new Set([
  'q',
  'query_by',
  'filter_by',
  'sort_by',
  'include_fields',
  'exclude_fields',
  'per_page',
  'page',
])
/** Of a search by GET; longer ones go through multi_search. */
export const MAX_QUERY_STRING = 4_000

export function search(collections: Collections, name: string, parameters: Readonly<Record<string, unknown>>): object {
  const collection = collections.find(name)
  for (const key of Object.keys(parameters)) if (!PARAMETERS.has(key)) throw unknown(`the search parameter ${key}`)
  const text = (key: string) => (parameters[key] === undefined ? undefined : String(parameters[key]))
  const q = text('q')
  if (q === undefined) throw new Refusal(400, 'Parameter `q` is required.')
  if (q !== '*') throw unknown('searches for text')
  const perPage = count(text('per_page'), 'per_page', 10)
  const page = count(text('page'), 'page', 1)
  if (perPage > 250) throw new Refusal(422, 'Only upto 250 hits can be fetched per page.')
  const matches = compileFilter(text('filter_by') ?? '', collection.fields)
  const found = [...collection.documents.values()].filter(({ document }) => matches(document))
  found.sort(order(collection, text('sort_by')))
  const included = text('include_fields')
    ?.split(',')
    .map((field) => field.trim())
  const excluded = new Set(
    text('exclude_fields')
      ?.split(',')
      .map((field) => field.trim()) ?? [],
  )
  const hits = found.slice((page - 1) * perPage, page * perPage).map(({ document }) => ({
    document: pick(document, included, excluded),
    highlight: {},
    highlights: [],
  }))
  return {
    facet_counts: [],
    found: found.length,
    hits,
    out_of: collection.documents.size,
    page,
    request_params: { collection_name: collection.name, per_page: perPage, q },
    search_cutoff: false,
    search_time_ms: 0,
  }
}

function count(text: string | undefined, name: string, byDefault: number): number {
  if (text === undefined) return byDefault
  if (!/^\d+$/.test(text)) throw new Refusal(400, `Parameter \`${name}\` must be an unsigned integer.`)
  const value = Number(text)
  if (value > 1_000_000) throw unknown('pages that far: a real server hangs')
  if (name === 'page' && value === 0) throw new Refusal(422, 'Page must be an integer of value greater than 0.')
  return value
}

type Entry = { readonly sequence: number; readonly document: Document }

/** What came last comes first, unless a field says otherwise. */
function order(collection: Collection, sortBy: string | undefined): (a: Entry, b: Entry) => number {
  const parts = (sortBy ?? '').split(',').filter((part) => part !== '')
  if (parts.length > 3) throw new Refusal(400, 'Only upto 3 sort fields are allowed.')
  const keys = parts.map((part) => {
    const [name = '', direction] = part.split(':')
    if (direction === undefined) throw new Refusal(400, 'Parameter `sort_by` is malformed.')
    if (name.startsWith('_')) throw unknown(`sorting by ${name}`)
    if (!collection.fields.get(name)?.sort)
      throw new Refusal(404, `Could not find a field named \`${name}\` in the schema for sorting.`)
    if (!/^(asc|desc)$/i.test(direction))
      throw new Refusal(400, `Order for field\` ${name}\` should be either ASC or DESC.`)
    return { name, sign: /^asc$/i.test(direction) ? 1 : -1 }
  })
  return (a, b) => {
    for (const { name, sign } of keys) {
      const difference = Number(a.document[name]) - Number(b.document[name])
      if (difference !== 0) return sign * difference
    }
    return b.sequence - a.sequence
  }
}

function pick(document: Document, included: readonly string[] | undefined, excluded: ReadonlySet<string>): object {
  const entries = Object.entries(document).filter(
    ([key]) => (included === undefined || included.includes(key)) && !excluded.has(key),
  )
  return Object.fromEntries(entries)
}
