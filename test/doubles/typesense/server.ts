// A double of Typesense 0.24 on its real wire, made after recorded answers of a real server. It knows what a search index that filters
// needs (collections, aliases, imports, documents by id, filtered and sorted searches) and refuses everything else with 501.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Collections } from './collections.ts'
import { Refusal, unknown } from './filter.ts'
import { MAX_QUERY_STRING, search } from './search.ts'

export interface TypesenseFaults {
  /** Requests that are carried out and never answered. */
  swallow: number
  /** Requests that are refused as by a server that is starting. */
  notReady: number
  /** Lines of imports that fail, whatever they hold. */
  failLines: number
}

export class TypesenseDouble {
  readonly collections = new Collections()
  readonly faults: TypesenseFaults = { swallow: 0, notReady: 0, failLines: 0 }
  readonly key: string
  readonly #server: Server
  readonly #file: string | undefined

  private constructor(key: string, file: string | undefined) {
    this.key = key
    this.#file = file
    this.#server = createServer((request, response) => {
      void this.#answer(request).then((answer) => {
        if (answer === undefined) return
        const { status, body } = answer
        const text = typeof body === 'string' ? body : JSON.stringify(body)
        const type = typeof body === 'string' ? 'text/plain; charset=utf8' : 'application/json; charset=utf-8'
        response.writeHead(status, { 'content-type': type, 'access-control-allow-origin': '*' }).end(text)
      })
    })
  }

  /** With a file, what it was told is there after the next start, as with a real server's own log. */
  static async start(
    options: { readonly port?: number; readonly key?: string; readonly file?: string } = {},
  ): Promise<TypesenseDouble> {
    const { file } = options
    const double = new TypesenseDouble(options.key ?? 'test-key', file)
    if (file !== undefined && existsSync(file)) double.#replay(readFileSync(file, 'utf8'))
    await new Promise<void>((resolve, reject) => {
      double.#server.once('error', reject)
      double.#server.listen(options.port ?? 0, '127.0.0.1', resolve)
    })
    return double
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `typesense://${this.key}@127.0.0.1:${this.port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body: unknown } | undefined> {
    try {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const body = Buffer.concat(chunks).toString()
      const answer = this.#route(request, body)
      if (this.#file !== undefined && request.method !== 'GET' && !request.url?.startsWith('/multi_search'))
        appendFileSync(this.#file, `${JSON.stringify([request.method, request.url, body])}\n`)
      if (this.faults.swallow > 0) {
        this.faults.swallow--
        return undefined
      }
      return answer
    } catch (error) {
      if (error instanceof Refusal) return { status: error.status, body: { message: error.message } }
      return { status: 500, body: { message: String(error) } }
    }
  }

  #replay(told: string): void {
    // A line without its end was never answered.
    for (const line of told.split('\n').slice(0, -1)) {
      const [method, url, body] = JSON.parse(line) as [string, string, string]
      this.#route({ method, url, headers: { 'x-typesense-api-key': this.key } }, body)
    }
  }

  #route(
    request: Pick<IncomingMessage, 'method' | 'url' | 'headers'>,
    body: string,
  ): { status: number; body: unknown } {
    const url = new URL(request.url ?? '/', 'http://double')
    const path = url.pathname.split('/').slice(1).map(decodeURIComponent)
    const method = request.method ?? 'GET'
    if (method === 'GET' && url.pathname === '/health') return { status: 200, body: { ok: true } }
    if (request.headers['x-typesense-api-key'] !== this.key)
      throw new Refusal(401, 'Forbidden - a valid `x-typesense-api-key` header must be sent.')
    if (this.faults.notReady > 0) {
      this.faults.notReady--
      throw new Refusal(503, 'Not Ready or Lagging')
    }
    const ok = (answer: unknown) => ({ status: 200, body: answer })
    const parameters = Object.fromEntries(url.searchParams)
    const known = (...names: string[]) => {
      for (const name of url.searchParams.keys()) if (!names.includes(name)) throw unknown(`the parameter ${name}`)
    }
    const { collections } = this
    const [room, name = '', part, last, ...more] = path
    if (more.length > 0) throw new Refusal(404, 'Not Found')
    switch (
      `${method} ${room}${name === '' ? '' : '/*'}${part === undefined ? '' : `/${part}`}${last === undefined ? '' : '/*'}`
    ) {
      case 'GET debug':
        return ok({ state: 1, version: '0.24.1' })
      case 'GET collections':
        return ok(collections.list())
      case 'POST collections':
        return { status: 201, body: collections.create(json(body)) }
      case 'GET collections/*':
        return ok(collections.describe(name))
      case 'DELETE collections/*':
        return ok(collections.drop(name))
      case 'GET aliases':
        return ok(collections.aliases())
      case 'GET aliases/*':
        return ok(collections.alias(name))
      case 'PUT aliases/*':
        return ok(collections.putAlias(name, json(body)['collection_name']))
      case 'DELETE aliases/*':
        return ok(collections.dropAlias(name))
      case 'DELETE collections/*/documents':
        known('filter_by', 'batch_size')
        return ok(collections.removeMatching(name, parameters['filter_by']))
      case 'POST collections/*/documents/*':
        if (last !== 'import') throw new Refusal(404, 'Not Found')
        // The client package says so of itself; the server takes no notice.
        known('action', 'throwOnFail')
        return ok(this.#import(name, body, parameters['action'] ?? 'create'))
      case 'GET collections/*/documents/*':
        if (last === 'export') throw unknown('exports')
        if (last !== 'search') return ok(collections.document(name, last ?? ''))
        if (url.search.length > MAX_QUERY_STRING)
          throw new Refusal(
            400,
            'Query string exceeds max allowed length of 4000. Use the /multi_search end-point for larger payloads.',
          )
        return ok(search(collections, name, parameters))
      case 'DELETE collections/*/documents/*':
        known()
        return ok(collections.remove(name, last ?? ''))
      case 'POST multi_search':
        return ok(this.#multiSearch(json(body), parameters))
      default:
        throw known404(method, url.pathname)
    }
  }

  #import(name: string, body: string, action: string): string {
    const fail = Math.min(this.faults.failLines, body.split('\n').length)
    if (fail === 0) return this.collections.import(name, body, action)
    this.faults.failLines -= fail
    const lines = body.split('\n')
    const refused = lines
      .splice(0, fail)
      .map((document) => JSON.stringify({ code: 500, document, error: 'Rejected', success: false }))
    return [...refused, ...(lines.length > 0 ? [this.collections.import(name, lines.join('\n'), action)] : [])].join(
      '\n',
    )
  }

  /** Parameters of the address win over those of a search. */
  #multiSearch(body: Record<string, unknown>, common: Record<string, string>): object {
    const { searches } = body
    if (!Array.isArray(searches)) throw new Refusal(400, 'Missing `searches` array.')
    if (searches.length === 0) throw new Refusal(500, 'Embedded params parsing error.')
    if (searches.some((each) => typeof each !== 'object' || each === null))
      throw new Refusal(400, 'The value of `searches` must be an array of objects.')
    const results = searches.map((each: Record<string, unknown>) => {
      const { collection, ...parameters } = { ...each, ...common }
      try {
        return search(this.collections, String(collection), parameters)
      } catch (error) {
        if (!(error instanceof Refusal) || error.status === 501) throw error
        return { code: error.status, error: error.message === 'Not Found' ? 'Not found.' : error.message }
      }
    })
    return { results }
  }
}

const known404 = (method: string, path: string): Refusal =>
  /^\/(keys|operations|config|metrics\.json|stats\.json|status|analytics|presets|stopwords)/.test(path) ||
  method === 'PATCH' ||
  (method === 'POST' && path.endsWith('/documents'))
    ? unknown(`${method} ${path}`)
    : new Refusal(404, 'Not Found')

function json(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>
  } catch {
    throw new Refusal(400, 'Bad JSON.')
  }
}
