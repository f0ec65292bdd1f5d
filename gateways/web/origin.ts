// This server's own origin as the client sees it, safe to put into a header field.
import type { FastifyRequest } from 'fastify'

export function originOf(request: FastifyRequest, publicUrl: string | undefined): string {
  const known = publicUrl === undefined ? undefined : URL.parse(publicUrl)?.origin
  if (known !== undefined && known !== 'null') return known
  const host = /^[A-Za-z0-9.:[\]-]{1,255}$/.test(request.host) ? request.host : 'localhost'
  return `${request.protocol === 'https' ? 'https' : 'http'}://${host}`
}
