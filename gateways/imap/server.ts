// IMAP (RFC 9051 and RFC 3501): the listeners.
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createSecureContext, createServer as createTlsServer } from 'node:tls'
import { Guard } from '../wire/guard.ts'
import { Connection } from './connection.ts'
import type { ImapLimits } from './limits.ts'
import type { ImapServices } from './services.ts'

export interface ImapSettings {
  readonly host: string
  readonly port: number
  /** Our name in the greeting. */
  readonly hostname: string
  readonly implicitTls: boolean
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Passwords without TLS on this (loopback) listener. */
  readonly insecureAuth: boolean
  readonly limits: ImapLimits
}

export interface ImapListener {
  readonly port: number
  close(): Promise<void>
}

export async function listenImap(services: ImapServices, settings: ImapSettings): Promise<ImapListener> {
  const { limits, implicitTls, tls, hostname, insecureAuth } = settings
  const guard = new Guard(limits)
  const open = new Set<Connection>()
  const context = tls && createSecureContext(tls)
  const accept = (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    // Broken lines are the client's affair; without a listener they would end the process.
    socket.on('error', () => undefined)
    if (!guard.connect(address)) {
      socket.end('* BYE Too many connections, try again later\r\n')
      return
    }
    services.count('imap_connections')
    const connection = new Connection(socket, services, guard, {
      hostname,
      tls: implicitTls ? undefined : context,
      secure: implicitTls,
      insecureAuth,
      limits,
    })
    open.add(connection)
    connection.run().finally(() => {
      open.delete(connection)
      guard.disconnect(address)
    })
  }
  const server =
    implicitTls && tls ? createTlsServer({ ...tls, handshakeTimeout: 20_000 }, accept) : createServer(accept)
  // Failed handshakes.
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(settings.port, settings.host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const connection of open) connection.shutDown()
      }),
  }
}
