// A port on which clients of a line protocol are served: accepted within limits, told when the server stops.
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createSecureContext, createServer as createTlsServer, type SecureContext } from 'node:tls'
import type { Guard } from './guard.ts'

export interface ListenSettings {
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
  /** TLS from the first byte on, instead of a command that begins it. */
  readonly implicitTls: boolean
  readonly tls?: { readonly key: string; readonly cert: string }
}

export interface Listener {
  readonly port: number
  close(): Promise<void>
}

/** One client's connection. */
export interface Served {
  /** Serves the client until one side has enough. Never rejects. */
  run(): Promise<void>
  /** The server stops: the client is told where the protocol has words for it. */
  shutDown(): void
}

export interface Reception {
  readonly guard: Guard
  /** Said to a client that is one too many. */
  readonly refusal: string
  /** `startTls` is what a command may begin TLS with; undefined where there is none, or TLS is on already. */
  accept(socket: Socket, startTls: SecureContext | undefined): Served
}

/** Rejects with the system's error when the port cannot be had. */
export async function listen(settings: ListenSettings, { guard, refusal, accept }: Reception): Promise<Listener> {
  const { host, port, implicitTls, tls } = settings
  const open = new Set<Served>()
  const startTls = tls && !implicitTls ? createSecureContext(tls) : undefined
  const serve = (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    // Broken lines are the client's affair; without a listener they would end the process.
    socket.on('error', () => undefined)
    if (!guard.connect(address)) {
      socket.end(`${refusal}\r\n`)
      return
    }
    const client = accept(socket, startTls)
    open.add(client)
    client.run().finally(() => {
      open.delete(client)
      guard.disconnect(address)
    })
  }
  const server = implicitTls && tls ? createTlsServer({ ...tls, handshakeTimeout: 20_000 }, serve) : createServer(serve)
  // Failed handshakes.
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const client of open) client.shutDown()
      }),
  }
}
