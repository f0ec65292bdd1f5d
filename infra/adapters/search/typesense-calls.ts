// The requests to Typesense: each with a deadline of its own, every line of an import checked, errors in this program's words.
import { Client } from 'typesense'
import { SearchIndexError } from '../../../projections/ports/search-index.ts'
import { SCHEMA_FIELDS } from './typesense-rows.ts'

export interface TypesenseOptions {
  /** Milliseconds that one request may take. */
  readonly deadlineMs?: number
  /** Tries of a request that was not answered; all of them are the same when repeated. */
  readonly tries?: number
  /** Milliseconds for which an index must not move before it is believed: a server that starts answers while it still replays. */
  readonly settleMs?: number
}

export interface Search {
  readonly filter: string
  readonly fields: string
  /** 1 to 250. */
  readonly perPage: number
  readonly page?: number
  readonly ascending?: boolean
}
export interface Found<T> {
  readonly found: number
  readonly documents: readonly T[]
}

/** Lines and characters of one import. */
const IMPORT_LINES = 1_000
const IMPORT_CHARACTERS = 4 * 1024 * 1024
const SEARCHES_AT_ONCE = 20

export class TypesenseCalls {
  readonly #client: Client
  readonly #deadlineMs: number
  readonly #tries: number
  readonly #place: string
  readonly settleMs: number

  /** `typesense://KEY@HOST:8108`, several hosts by comma; `typesense+https:` for TLS. */
  constructor(url: string, options: TypesenseOptions = {}) {
    const match = /^typesense(\+https)?:\/\/([^@/]+)@([^/?#]+)\/?$/.exec(url)
    if (match === null)
      throw new SearchIndexError('unavailable', 'The address of Typesense looks like typesense://KEY@HOST:8108')
    const [, tls, key = '', hosts = ''] = match
    const protocol = tls ? 'https' : 'http'
    this.#place = hosts
    this.#deadlineMs = options.deadlineMs ?? 15_000
    this.#tries = options.tries ?? 4
    this.settleMs = options.settleMs ?? 300
    this.#client = new Client({
      apiKey: decodeURIComponent(key),
      nodes: hosts.split(',').map((each) => {
        const { hostname, port } = new URL(`${protocol}://${each}`)
        return { host: hostname, port: Number(port || (tls ? 443 : 8108)), protocol }
      }),
      connectionTimeoutSeconds: this.#deadlineMs / 1000,
      numRetries: 0,
      logLevel: 'silent',
    })
  }

  /** Names of the collections that begin so. */
  async collections(beginning: string): Promise<readonly string[]> {
    const all = await this.#asked(() => this.#client.collections().retrieve())
    return all.map(({ name }) => name).filter((name) => name.startsWith(beginning))
  }

  async create(name: string): Promise<void> {
    try {
      await this.#asked(() => this.#client.collections().create({ name, fields: [...SCHEMA_FIELDS] }))
    } catch (error) {
      if (statusOf((error as Error).cause) !== 409) throw error
    }
  }

  async count(name: string): Promise<number> {
    return (await this.#asked(() => this.#client.collections(name).retrieve())).num_documents
  }

  async drop(name: string): Promise<void> {
    await this.#unlessMissing(() => this.#client.collections(name).delete())
  }

  /** The collection that an alias leads to. */
  async target(alias: string): Promise<string | undefined> {
    return (await this.#unlessMissing(() => this.#client.aliases(alias).retrieve()))?.collection_name
  }

  async point(alias: string, collection: string): Promise<void> {
    await this.#asked(() => this.#client.aliases().upsert(alias, { collection_name: collection }))
  }

  async document<T>(collection: string, id: string): Promise<T | undefined> {
    return (await this.#unlessMissing(() => this.#client.collections(collection).documents(id).retrieve())) as
      | T
      | undefined
  }

  /** Rejects when any line was refused. Never through an alias. */
  async import(collection: string, documents: readonly object[], action: 'upsert' | 'update'): Promise<void> {
    let lines: string[] = []
    let characters = 0
    const flush = async () => {
      if (lines.length === 0) return
      const sent = lines
      lines = []
      characters = 0
      await this.#asked(async () => {
        const answer: unknown = await this.#client
          .collections(collection)
          .documents()
          .import(sent.join('\n'), { action })
        const results = String(answer).split('\n')
        if (results.length !== sent.length)
          throw new Error(`${sent.length} lines were sent and ${results.length} answered`)
        for (const result of results) {
          const { success, error, code } = JSON.parse(result) as { success: boolean; error?: string; code?: number }
          if (!success) throw new Error(`A document was refused: ${code} ${error}`)
        }
      })
    }
    for (const document of documents) {
      const line = JSON.stringify(document)
      if (lines.length >= IMPORT_LINES || characters + line.length > IMPORT_CHARACTERS) await flush()
      lines.push(line)
      characters += line.length
    }
    await flush()
  }

  async removeWhere(collection: string, filter: string): Promise<void> {
    await this.#asked(() => this.#client.collections(collection).documents().delete({ filter_by: filter }))
  }

  /** Newest first. By POST: filters may be long. */
  async search<T>(collection: string, searches: readonly Search[]): Promise<readonly Found<T>[]> {
    const answers: Found<T>[] = []
    for (let at = 0; at < searches.length; at += SEARCHES_AT_ONCE) {
      const asked = searches
        .slice(at, at + SEARCHES_AT_ONCE)
        .map(({ filter, fields, perPage, page = 1, ascending }) => ({
          collection,
          q: '*',
          filter_by: filter,
          include_fields: fields,
          sort_by: `doc:${ascending ? 'asc' : 'desc'}`,
          per_page: perPage,
          page,
        }))
      const { results } = (await this.#asked(() =>
        this.#client.multiSearch.perform({ searches: asked } as never, {}),
      )) as unknown as {
        results: { code?: number; error?: string; found: number; hits: { document: T }[] }[]
      }
      for (const result of results) {
        // Answered with 200 whatever happened to each.
        if (result.error !== undefined)
          throw this.#failed(Object.assign(new Error(result.error), { httpStatus: result.code }))
        answers.push({ found: result.found, documents: result.hits.map(({ document }) => document) })
      }
    }
    return answers
  }

  async #unlessMissing<T>(request: () => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#asked(request)
    } catch (error) {
      if (statusOf((error as Error).cause) === 404) return undefined
      throw error
    }
  }

  async #asked<T>(request: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#inTime(request())
      } catch (error) {
        const status = statusOf(error)
        const refused = status !== undefined && (status < 500 || status === 501) && status !== 408 && status !== 429
        if (refused || attempt >= this.#tries) throw this.#failed(error)
        await new Promise((resolve) => setTimeout(resolve, 50 * 4 ** (attempt - 1)))
      }
    }
  }

  /** The client leaves imports without any limit, and some requests are never answered. */
  #inTime<T>(request: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${this.#deadlineMs} ms`)), this.#deadlineMs)
    })
    return Promise.race([request, late]).finally(() => clearTimeout(timer))
  }

  #failed(cause: unknown): SearchIndexError {
    if (cause instanceof SearchIndexError) return cause
    const status = statusOf(cause)
    const said = cause instanceof Error ? cause.message : String(cause)
    const why =
      status === 401
        ? `Typesense at ${this.#place} does not take the key: put one into engines.search that may do everything with collections, documents and aliases`
        : `Typesense at ${this.#place} failed: ${said}`
    return new SearchIndexError('unavailable', why, { cause })
  }
}

const statusOf = (error: unknown): number | undefined => (error as { httpStatus?: number } | undefined)?.httpStatus
