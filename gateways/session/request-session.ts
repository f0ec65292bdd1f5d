// Finds the session of a request, and keeps other sites from using a browser's cookie.
import '@fastify/cookie'
import type { FastifyRequest } from 'fastify'
import { ProblemError } from '../web/problem.ts'
import type { Client, Sessions, SignedIn } from './sessions.ts'

export const COOKIE = 'everpost_session'

export interface GivenToken {
  readonly token: string
  readonly from: 'cookie' | 'bearer'
}

export function tokenOf(request: FastifyRequest): GivenToken | undefined {
  const { authorization } = request.headers
  if (authorization !== undefined) {
    const bearer = /^Bearer +(\S{1,500})$/i.exec(authorization)?.[1]
    return bearer === undefined ? undefined : { token: bearer, from: 'bearer' }
  }
  const cookie = request.cookies[COOKIE]
  return cookie === undefined ? undefined : { token: cookie, from: 'cookie' }
}

export const clientOf = (request: FastifyRequest): Client => ({
  address: request.ip,
  name: String(request.headers['user-agent'] ?? '').slice(0, 200),
})

/** The signed-in account, or a 401. Unsafe requests by cookie must show that they come from our own pages. */
export async function requireSession(sessions: Sessions, request: FastifyRequest): Promise<SignedIn> {
  const given = tokenOf(request)
  const who = given && (await sessions.signedIn(given.token))
  if (!given || !who) throw new ProblemError(401, 'signed-out', 'Sign in first.')
  if (given.from === 'cookie') requireSameSite(request)
  return who
}

/** A request that changes something and carries a cookie is from our own pages, or refused. */
export function requireSameSite(request: FastifyRequest): void {
  if (request.method === 'GET' || request.method === 'HEAD' || request.method === 'OPTIONS') return
  if (request.headers['x-everpost'] !== undefined || isSameOrigin(request)) return
  throw new ProblemError(
    403,
    'cross-site',
    'A request with a cookie needs the field x-everpost, or to come from a page of this server.',
  )
}

export function isSameOrigin(request: FastifyRequest): boolean {
  const site = request.headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin'
  const { origin, host } = request.headers
  return origin !== undefined && host !== undefined && URL.parse(origin)?.host === host
}
