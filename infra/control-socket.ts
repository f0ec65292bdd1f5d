// The command line and a running server meet here: a Unix socket in the data folder (mode 0600) over which a verb runs inside the
// server, with its output, progress and exit code sent back. Without a server the same verb runs in the caller's own process.
import { chmodSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** One JSON object a line, both ways. */
export type ControlRequest = {
  readonly argv: readonly string[]
  readonly cwd: string
  readonly stdin?: string
  readonly columns?: number
}
export type ControlReply =
  | { readonly out: string }
  | { readonly err: string }
  | { readonly progress: string | null }
  | { readonly exit: number }

export type RunVerb = (
  request: ControlRequest,
  reply: (message: ControlReply) => void,
  signal: AbortSignal,
) => Promise<number>

const MAX_REQUEST = 2 * 1024 * 1024
/** Longest path of a Unix socket that every system takes. */
export const MAX_SOCKET_PATH = 100

export async function serveControl(path: string, run: RunVerb): Promise<Server> {
  rmSync(path, { force: true })
  const server = createServer((socket) => handle(socket, run))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve())
  })
  chmodSync(path, 0o600)
  return server
}

function handle(socket: Socket, run: RunVerb): void {
  const gone = new AbortController()
  socket.on('close', () => gone.abort())
  socket.on('error', () => gone.abort())
  const reply = (message: ControlReply) => {
    if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`)
  }
  let text = ''
  socket.setEncoding('utf8')
  const read = (chunk: string) => {
    text += chunk
    if (text.length > MAX_REQUEST) return socket.destroy()
    const end = text.indexOf('\n')
    if (end < 0) return
    socket.removeListener('data', read)
    const request = parseRequest(text.slice(0, end))
    if (!request) return socket.end(`${JSON.stringify({ exit: 2 })}\n`)
    run(request, reply, gone.signal).then(
      (exit) => socket.end(`${JSON.stringify({ exit })}\n`),
      (error) => {
        reply({ err: `${error instanceof Error ? error.message : error}\n` })
        socket.end(`${JSON.stringify({ exit: 1 })}\n`)
      },
    )
  }
  socket.on('data', read)
}

function parseRequest(line: string): ControlRequest | undefined {
  try {
    const request = JSON.parse(line) as ControlRequest
    return Array.isArray(request.argv) && typeof request.cwd === 'string' ? request : undefined
  } catch {
    return undefined
  }
}

/** Runs a verb in the server that has the data folder. Undefined when there is none. */
export function callControl(
  path: string,
  request: ControlRequest,
  onReply: (reply: ControlReply) => void,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path)
    let exit: number | undefined
    let text = ''
    let connected = false
    socket.setEncoding('utf8')
    socket.on('connect', () => {
      connected = true
      socket.write(`${JSON.stringify(request)}\n`)
    })
    socket.on('data', (chunk: string) => {
      text += chunk
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) {
        const reply = JSON.parse(line) as ControlReply
        if ('exit' in reply) exit = reply.exit
        else onReply(reply)
      }
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (connected && exit === undefined) onReply({ err: 'The server went away before it had finished.\n' })
      resolve(connected ? (exit ?? 1) : undefined)
    })
  })
}
