// ManageSieve (RFC 5804): the listener.
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { Guard } from '../wire/guard.ts'
import { ManageSieveConnection } from './connection.ts'
import type { ManageSieveLimits, ManageSieveServices } from './services.ts'

export interface ManageSieveSettings {
  readonly host: string
  readonly port: number
  readonly hostname: string
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Passwords without TLS on this (loopback) listener. */
  readonly insecureAuth: boolean
  readonly limits: ManageSieveLimits
}

export interface ManageSieveListener {
  readonly port: number
  close(): Promise<void>
}

export async function listenManageSieve(
  services: ManageSieveServices,
  { limits, tls, hostname, insecureAuth, host, port }: ManageSieveSettings,
): Promise<ManageSieveListener> {
  const guard = new Guard(limits)
  const open = new Set<ManageSieveConnection>()
  const context = tls && createSecureContext(tls)
  const server = createServer((socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    // Broken lines are the client's affair; without a listener they would end the process.
    socket.on('error', () => undefined)
    if (!guard.connect(address)) {
      socket.end('BYE (TRYLATER) "Too many connections, try again later"\r\n')
      return
    }
    services.count('managesieve_connections')
    const connection = new ManageSieveConnection(socket, services, guard, {
      hostname,
      tls: context,
      insecureAuth,
      limits,
    })
    open.add(connection)
    connection.run().finally(() => {
      open.delete(connection)
      guard.disconnect(address)
    })
  })
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
        for (const connection of open) connection.shutDown()
      }),
  }
}
