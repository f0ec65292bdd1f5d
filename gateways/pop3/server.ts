// POP3 (RFC 1939 with RFC 2449, 2595, 5034, 6856): the listeners.
import { Guard } from '../wire/guard.ts'
import { type Listener, type ListenSettings, listen } from '../wire/listener.ts'
import { Pop3Connection } from './connection.ts'
import type { Locks, Pop3Limits, Pop3Services, Sharing } from './services.ts'

export interface Pop3Settings extends ListenSettings {
  readonly hostname: string
  /** Passwords without TLS on this (loopback) listener. */
  readonly insecureAuth: boolean
  readonly sharing: Sharing
  readonly limits: Pop3Limits
  /** Of all listeners that serve the same accounts. */
  readonly locks: Locks
}

export function listenPop3(services: Pop3Services, settings: Pop3Settings): Promise<Listener> {
  const { limits, implicitTls, hostname, insecureAuth, sharing, locks } = settings
  const guard = new Guard(limits, services.sharedState)
  return listen(settings, {
    guard,
    refusal: '-ERR [IN-USE] Too many connections, try again later',
    accept(socket, tls) {
      services.count('pop3_connections')
      const own = { hostname, tls, secure: implicitTls, insecureAuth, sharing, limits }
      return new Pop3Connection(socket, services, guard, locks, own)
    },
  })
}
