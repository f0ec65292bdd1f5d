// ManageSieve (RFC 5804): the listener.
import { Guard } from '../wire/guard.ts'
import { type Listener, type ListenSettings, listen } from '../wire/listener.ts'
import { ManageSieveConnection } from './connection.ts'
import type { ManageSieveLimits, ManageSieveServices } from './services.ts'

/** TLS is always begun by STARTTLS: the protocol knows no other way. */
export interface ManageSieveSettings extends Omit<ListenSettings, 'implicitTls'> {
  readonly hostname: string
  /** Passwords without TLS on this (loopback) listener. */
  readonly insecureAuth: boolean
  readonly limits: ManageSieveLimits
}

export function listenManageSieve(services: ManageSieveServices, settings: ManageSieveSettings): Promise<Listener> {
  const { limits, hostname, insecureAuth } = settings
  const guard = new Guard(limits, services.sharedState)
  return listen(
    { ...settings, implicitTls: false },
    {
      guard,
      refusal: 'BYE (TRYLATER) "Too many connections, try again later"',
      accept(socket, tls) {
        services.count('managesieve_connections')
        return new ManageSieveConnection(socket, services, guard, { hostname, tls, insecureAuth, limits })
      },
    },
  )
}
