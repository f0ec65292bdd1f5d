// The two ways to the server: JSON over fetch, and GraphQL over it. Every failure is an ApiError.

/** A failure that a person can act on. `code` is the server's, or 'network' when no answer came, or 'session' when signed out. */
export class ApiError extends Error {
  readonly code: string
  readonly status: number
  constructor(code: string, message: string, status: number) {
    super(message)
    this.name = 'ApiError'
    this.code = code
    this.status = status
  }
  /** Nothing is known about what the server did: the same command may be sent again. */
  get isNetwork(): boolean {
    return this.code === 'network'
  }
}

const expiryListeners = new Set<() => void>()
/** Called whenever the server says that nobody is signed in any more. */
export const onSessionExpired = (listener: () => void): (() => void) => {
  expiryListeners.add(listener)
  return () => expiryListeners.delete(listener)
}

function signedOut(message: string): ApiError {
  for (const listener of expiryListeners) listener()
  return new ApiError('session', message, 401)
}

interface Problem {
  readonly code?: string
  readonly type?: string
  readonly title?: string
  readonly detail?: string
  readonly status?: number
}

/** One JSON request; `undefined` for an empty answer. Rejects with ApiError, or AbortError when `signal` fires. */
export async function request<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await send(method, path, body, signal)
  const text = await response.text()
  const answer: unknown = text === '' ? undefined : parse(text)
  if (response.ok) return answer as T
  const problem = (answer ?? {}) as Problem
  throw new ApiError(
    problem.code ?? problem.type ?? String(response.status),
    problem.detail ?? problem.title ?? response.statusText,
    response.status,
  )
}

interface GraphqlAnswer<T> {
  readonly data?: T | null
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[]
}

/** One GraphQL operation. Partial data counts as a failure: every field asked for is needed. */
export async function graphql<T>(query: string, variables: object, signal?: AbortSignal): Promise<T> {
  const response = await send('POST', '/graphql', { query, variables }, signal)
  if (response.status === 401) throw signedOut('Signed out')
  const answer = parse(await response.text()) as (GraphqlAnswer<T> & Problem) | undefined
  const error = answer?.errors?.[0]
  if (error) {
    const code = error.extensions?.code ?? 'ERROR'
    if (code === 'UNAUTHENTICATED') throw signedOut(error.message)
    throw new ApiError(code, error.message, response.status)
  }
  if (!answer?.data) {
    const code = response.status >= 502 && response.status <= 504 ? 'network' : String(response.status)
    throw new ApiError(code, answer?.detail ?? answer?.title ?? response.statusText, response.status)
  }
  return answer.data
}

/** How far the server's clock is ahead of this browser's, in milliseconds, as of the last answer. */
let ahead = 0
/** Its clock is told in whole seconds: less than this is no difference. */
const CLOCK_GRAIN_MS = 2000

/** The time by the server's clock, epoch milliseconds. */
export const serverNow = (): number => Date.now() + ahead

function learnClock(response: Response): void {
  const difference = Date.parse(response.headers.get('date') ?? '') - Date.now()
  if (!Number.isNaN(difference)) ahead = Math.abs(difference) > CLOCK_GRAIN_MS ? difference : 0
}

async function send(method: string, path: string, body: unknown, signal: AbortSignal | undefined): Promise<Response> {
  const timeout = AbortSignal.timeout(30_000)
  try {
    const response = await fetch(path, {
      method,
      headers: {
        accept: 'application/json',
        'x-everpost': '1',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    })
    learnClock(response)
    return response
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiError('network', 'The server could not be reached', 0)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
