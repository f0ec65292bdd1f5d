// Collections, aliases and documents of the Typesense double.
import { compileFilter, type Document, type Field, Refusal, unknown } from './filter.ts'

export interface Collection {
  readonly name: string
  readonly createdAt: number
  readonly fields: ReadonlyMap<string, Field>
  /** By id, in the order in which they first came. */
  readonly documents: Map<string, { readonly sequence: number; document: Document }>
}

const TYPES = new Set(['string', 'string[]', 'int32', 'int64', 'bool'])
const SORTABLE = new Set(['int32', 'int64', 'bool'])
const FIELD_KEYS = new Set(['name', 'type', 'facet', 'index', 'optional', 'sort', 'infix', 'locale'])
const ACTIONS = new Set(['create', 'update', 'upsert', 'emplace'])

const notFound = () => new Refusal(404, 'Not Found')

export class Collections {
  readonly #collections = new Map<string, Collection>()
  readonly #aliases = new Map<string, string>()
  #sequence = 0

  create(body: Record<string, unknown>): object {
    const { name, fields, ...rest } = body
    if (typeof name !== 'string' || name === '') throw new Refusal(400, 'Parameter `name` is required.')
    if (!Array.isArray(fields) || fields.length === 0)
      throw new Refusal(
        400,
        'The `fields` value should be an array of objects containing `name`, `type` and optionally, `facet` properties.',
      )
    for (const key of Object.keys(rest)) throw unknown(`the collection property ${key}`)
    if (this.#collections.has(name)) throw new Refusal(409, `A collection with name \`${name}\` already exists.`)
    const made = new Map<string, Field>()
    for (const field of fields as Record<string, unknown>[]) {
      for (const key of Object.keys(field)) if (!FIELD_KEYS.has(key)) throw unknown(`the field property ${key}`)
      const type = String(field['type'])
      if (!TYPES.has(type)) throw unknown(`fields of type ${type}`)
      if (field['locale']) throw unknown('locales')
      if (made.has(String(field['name']))) throw new Refusal(400, 'There are duplicate field names in the schema.')
      made.set(String(field['name']), {
        facet: false,
        index: true,
        infix: false,
        locale: '',
        optional: false,
        sort: SORTABLE.has(type),
        ...field,
        name: String(field['name']),
        type,
      } as Field)
    }
    const collection = { name, createdAt: Math.floor(Date.now() / 1000), fields: made, documents: new Map() }
    this.#collections.set(name, collection)
    return describe(collection)
  }

  /** By its name, else by that of an alias. */
  find(name: string): Collection {
    const found = this.#collections.get(name) ?? this.#collections.get(this.#aliases.get(name) ?? '')
    if (found === undefined) throw notFound()
    return found
  }

  list(): object[] {
    return [...this.#collections.values()].reverse().map(describe)
  }

  describe(name: string): object {
    return describe(this.find(name))
  }

  drop(name: string): object {
    const collection = this.find(name)
    this.#collections.delete(collection.name)
    return describe(collection)
  }

  putAlias(name: string, target: unknown): object {
    if (typeof target !== 'string') throw new Refusal(400, 'Parameter `collection_name` is required.')
    this.#aliases.set(name, target)
    return this.alias(name)
  }

  alias(name: string): object {
    const collection_name = this.#aliases.get(name)
    if (collection_name === undefined) throw notFound()
    return { collection_name, name }
  }

  dropAlias(name: string): object {
    const alias = this.alias(name)
    this.#aliases.delete(name)
    return alias
  }

  aliases(): object {
    return { aliases: [...this.#aliases.keys()].sort().map((name) => this.alias(name)) }
  }

  /** One answer a line; blank lines have none. Always as a whole 200. */
  import(name: string, body: string, action: string): string {
    const collection = this.find(name)
    if (!ACTIONS.has(action)) throw new Refusal(400, 'Parameter `action` must be a create|update|upsert.')
    return body
      .split('\n')
      .map((line) => line.replace(/\r$/, ''))
      .filter((line) => line !== '')
      .map((line) => {
        try {
          this.#put(collection, line, action)
          return '{"success":true}'
        } catch (error) {
          if (!(error instanceof Refusal) || error.status === 501) throw error
          return JSON.stringify({ code: error.status, document: line, error: error.message, success: false })
        }
      })
      .join('\n')
  }

  document(name: string, id: string): Document {
    const found = this.find(name).documents.get(id)
    if (found === undefined) throw new Refusal(404, `Could not find a document with id: ${id}`)
    return found.document
  }

  remove(name: string, id: string): Document {
    const document = this.document(name, id)
    this.find(name).documents.delete(id)
    return document
  }

  removeMatching(name: string, filter: string | undefined): object {
    if (filter === undefined) throw new Refusal(400, 'Parameter `filter_by` must be provided.')
    const { documents, fields } = this.find(name)
    if (filter === '') return { num_deleted: 0 }
    const matches = compileFilter(filter, fields)
    let deleted = 0
    for (const [id, { document }] of documents) {
      if (!matches(document)) continue
      documents.delete(id)
      deleted++
    }
    return { num_deleted: deleted }
  }

  #put(collection: Collection, line: string, action: string): void {
    let given: Record<string, unknown>
    try {
      given = JSON.parse(line)
    } catch {
      throw new Refusal(400, 'Bad JSON.')
    }
    if (typeof given !== 'object' || given === null || Array.isArray(given)) throw new Refusal(400, 'Bad JSON.')
    const { id } = given
    if (action === 'update' && id === undefined) throw new Refusal(400, 'For update, the `id` key must be provided.')
    if (typeof id !== 'string' || id === '') throw unknown('documents without an id of their own')
    const known = collection.documents.get(id)
    if (action === 'create' && known) throw new Refusal(409, `A document with id ${id} already exists.`)
    if (action === 'update' && !known) throw new Refusal(404, `Could not find a document with id: ${id}`)
    const partial = action === 'update' || action === 'emplace'
    const document: Record<string, unknown> = { ...(partial ? known?.document : undefined), ...given }
    for (const [key, value] of Object.entries(given))
      if (value === null && collection.fields.get(key)?.optional) delete document[key]
    for (const field of collection.fields.values()) {
      const value = document[field.name]
      if (value === undefined) {
        if (field.optional || (partial && action === 'emplace')) continue
        throw new Refusal(
          400,
          `Field \`${field.name}\` has been declared in the schema, but is not found in the document.`,
        )
      }
      checkType(field, value)
    }
    const sequence = known?.sequence ?? this.#sequence++
    collection.documents.set(id, { sequence, document: document as Document })
  }
}

function checkType({ name, type }: Field, value: unknown): void {
  const is = (ok: boolean, what: string) => {
    if (!ok) throw new Refusal(400, `Field \`${name}\` must be ${what}.`)
  }
  if (type === 'string') is(typeof value === 'string', 'a string')
  else if (type === 'string[]')
    is(Array.isArray(value) && value.every((each) => typeof each === 'string'), 'an array of string')
  else if (type === 'bool') is(typeof value === 'boolean', 'a bool')
  else is(Number.isSafeInteger(value), `an ${type}`)
}

const describe = (collection: Collection): object => ({
  created_at: collection.createdAt,
  default_sorting_field: '',
  enable_nested_fields: false,
  fields: [...collection.fields.values()],
  name: collection.name,
  num_documents: collection.documents.size,
  symbols_to_index: [],
  token_separators: [],
})
