// POP3 (RFC 1939 with RFC 2449, 2595, 5034, 6856): the listeners.
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createSecureContext, createServer as createTlsServer } from 'node:tls'
import { Guard } from '../wire/guard.ts'
import { Pop3Connection } from './connection.ts'
import type { Locks, Pop3Limits, Pop3Services, Sharing } from './services.ts'

export interface Pop3Settings {
  readonly host: string
  readonly port: number
  readonly hostname: string
  readonly implicitTls: boolean
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Passwords without TLS on this (loopback) listener. */
  readonly insecureAuth: boolean
  readonly sharing: Sharing
  readonly limits: Pop3Limits
  /** Of all listeners that serve the same accounts. */
  readonly locks: Locks
}

export interface Pop3Listener {
  readonly port: number
  close(): Promise<void>
}

export async function listenPop3(services: Pop3Services, settings: Pop3Settings): Promise<Pop3Listener> {
  const { limits, implicitTls, tls, hostname, insecureAuth, sharing, locks } = settings
  const guard = new Guard(limits)
  const open = new Set<Pop3Connection>()
  const context = tls && createSecureContext(tls)
  const accept = (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    // Broken lines are the client's affair; without a listener they would end the process.
    socket.on('error', () => undefined)
    if (!guard.connect(address)) {
      socket.end('-ERR [IN-USE] Too many connections, try again later\r\n')
      return
    }
    services.count('pop3_connections')
    const connection = new Pop3Connection(socket, services, guard, locks, {
      hostname,
      tls: implicitTls ? undefined : context,
      secure: implicitTls,
      insecureAuth,
      sharing,
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
