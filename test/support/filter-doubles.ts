// Servers that speak as rspamd, spamd and clamd do, and can be made to speak badly.
import { createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** What a double does with a request that it has read whole; undefined answers nothing and keeps the line open. */
export type Speak = (request: Buffer, socket: Socket) => string | Buffer | undefined

export async function startDouble(
  t: TestContext,
  whole: (request: Buffer) => boolean,
  speak: Speak,
): Promise<{ host: string; port: number }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    const chunks: Buffer[] = []
    let done = false
    const look = () => {
      const request = Buffer.concat(chunks)
      if (done || !whole(request)) return
      done = true
      const answer = speak(request, socket)
      if (answer !== undefined) socket.end(answer)
    }
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      look()
    })
    socket.on('end', () => {
      look()
      if (!done) socket.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port }
}

const lengthGiven = (request: Buffer): boolean => {
  const end = request.indexOf('\r\n\r\n')
  const length = Number(
    /^content-length: *(\d+)/im.exec(request.toString('latin1', 0, Math.max(0, end)))?.[1] ?? Number.NaN,
  )
  return end > 0 && request.length >= end + 4 + length
}

export const wholeHttp = lengthGiven
export const wholeSpamd = lengthGiven

/** All of an INSTREAM: the command and chunks up to the empty one. */
export function streamed(request: Buffer): Buffer | undefined {
  if (!request.toString('latin1', 0, 10).startsWith('zINSTREAM\0')) return undefined
  const pieces: Buffer[] = []
  for (let at = 10; at + 4 <= request.length; ) {
    const length = request.readUInt32BE(at)
    if (length === 0) return Buffer.concat(pieces)
    if (at + 4 + length > request.length) return undefined
    pieces.push(request.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return undefined
}

export const httpAnswer = (body: string, status = '200 OK'): string =>
  `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`

export const rspamdSays: Speak = (request) =>
  httpAnswer(
    JSON.stringify(
      request.includes('GTUBE-STANDARD')
        ? {
            action: 'reject',
            score: 15.5,
            required_score: 15,
            symbols: { GTUBE: { name: 'GTUBE', score: 15.5, description: 'The test pattern' } },
          }
        : { action: 'no action', score: 0.2, required_score: 15, symbols: { MIME_GOOD: { score: -0.1 } } },
    ),
  )

export const spamdSays: Speak = (request) => {
  const spam = request.includes('GTUBE-STANDARD')
  const report = `Content analysis details:   (${spam ? '1000.0' : '0.1'} points, 5.0 required)\n\n pts rule name              description\n---- ---------------------- -----------------------\n${spam ? '1000 GTUBE                  BODY: Generic Test for Unsolicited Bulk Email\n' : ' 0.1 MISSING_MID            Missing Message-Id: header\n'}`
  return `SPAMD/1.1 0 EX_OK\r\nContent-length: ${report.length}\r\nSpam: ${spam ? 'True' : 'False'} ; ${spam ? '1000.0' : '0.1'} / 5.0\r\n\r\n${report}`
}

export const clamdSays: Speak = (request) => {
  const message = streamed(request)?.toString('latin1') ?? ''
  return message.includes('WDVPIVAlQEFQ') ? 'stream: Eicar-Test-Signature FOUND\0' : 'stream: OK\0'
}
