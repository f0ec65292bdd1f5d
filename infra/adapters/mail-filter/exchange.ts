// One question and its answer over TCP, for protocols that node has no client for: bounded in bytes, ended by a signal.
import { once } from 'node:events'
import { connect } from 'node:net'

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** Sends the pieces, with back-pressure, then reads until `complete` says so or the other side ends. Rejects beyond `maxBytes`. */
export async function exchange(
  { host, port }: Endpoint,
  pieces: AsyncIterable<Uint8Array | string>,
  options: {
    readonly maxBytes: number
    readonly signal: AbortSignal
    readonly complete?: (answer: Buffer) => boolean
    /** End our side once everything is sent. */
    readonly half?: boolean
  },
): Promise<Buffer> {
  const { maxBytes, signal, complete = () => false } = options
  signal.throwIfAborted()
  const socket = connect({ host, port, allowHalfOpen: true })
  const stop = () => socket.destroy(new Error('it took too long'))
  signal.addEventListener('abort', stop, { once: true })
  const chunks: Buffer[] = []
  let length = 0
  const answered = new Promise<Buffer>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      length += chunk.length
      if (length > maxBytes) return socket.destroy(new Error(`the answer is longer than ${maxBytes} bytes`))
      const answer = chunks.length === 1 ? chunk : Buffer.concat(chunks)
      if (complete(answer)) resolve(answer)
    })
    socket.on('end', () => resolve(Buffer.concat(chunks)))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the connection broke')))
  })
  answered.catch(() => undefined)
  try {
    await Promise.race([once(socket, 'connect'), answered])
    await Promise.race([send(socket, pieces, options.half ?? false), answered])
    return await answered
  } finally {
    signal.removeEventListener('abort', stop)
    socket.destroy()
  }
}

async function send(
  socket: ReturnType<typeof connect>,
  pieces: AsyncIterable<Uint8Array | string>,
  half: boolean,
): Promise<void> {
  for await (const piece of pieces) {
    if (socket.destroyed) return
    if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), once(socket, 'close')])
  }
  if (half) socket.end()
}
