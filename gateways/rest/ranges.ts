// Files as answers: one range at most, validators, and fields that keep a browser from taking a file for a page.
import type { OutgoingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { attachmentDisposition, downloadType } from '../web/media-types.ts'
import type { MessageFile } from '../web/message-files.ts'
import { ProblemError } from '../web/problem.ts'

export interface FileOptions {
  /** For what is shown in a page: only types that the caller knows to be pictures. */
  readonly inlineType?: string
  readonly cacheControl: string
}

export async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  file: MessageFile,
  options: FileOptions,
): Promise<FastifyReply> {
  const etag = `"${file.tag}"`
  void reply
    .header('etag', etag)
    .header('accept-ranges', 'bytes')
    .header('cache-control', options.cacheControl)
    .header('content-type', options.inlineType ?? downloadType(file.type))
    .header('content-disposition', options.inlineType ? 'inline' : attachmentDisposition(file.filename))
    .header('content-security-policy', "default-src 'none'; sandbox")
    .header('x-content-type-options', 'nosniff')
  if (request.headers['if-none-match']?.split(',').some((each) => each.trim() === etag)) return reply.status(304).send()
  const size = await file.size()
  const condition = request.headers['if-range']
  const wanted = condition === undefined || condition === etag ? request.headers.range : undefined
  const range = wanted === undefined ? undefined : readRange(wanted, size)
  if (range === 'unsatisfiable') {
    void reply.header('content-range', `bytes */${size}`).removeHeader('content-disposition')
    throw new ProblemError(416, 'bad-range', `Ask for one range of bytes within 0-${Math.max(0, size - 1)}.`)
  }
  const [from, to] = range ?? [0, size]
  void reply.status(range ? 206 : 200).header('content-length', to - from)
  if (range) void reply.header('content-range', `bytes ${from}-${to - 1}/${size}`)
  if (request.method === 'HEAD') {
    // Past the framework, which would say that nothing is as long as nothing.
    reply.hijack()
    reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders).end()
    return reply
  }
  return reply.send(Readable.from(file.stream(from, to), { objectMode: false, highWaterMark: 256 * 1024 }))
}

/** The range as `[from, to)`. Several ranges, malformed ones and those outside the file are refused (RFC 9110 §14.2). */
export function readRange(header: string, size: number): readonly [number, number] | 'unsatisfiable' {
  const parts = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/.exec(header)
  if (!parts) return 'unsatisfiable'
  const [, first = '', last = ''] = parts
  if (first === '') {
    const count = Number(last)
    return last === '' || count === 0 || size === 0 ? 'unsatisfiable' : [Math.max(0, size - count), size]
  }
  const from = Number(first)
  const to = last === '' ? size : Math.min(size, Number(last) + 1)
  return from >= size || to <= from ? 'unsatisfiable' : [from, to]
}
