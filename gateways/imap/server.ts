// IMAP (RFC 9051 and RFC 3501): the listeners.
import { Guard } from '../wire/guard.ts'
import { type Listener, type ListenSettings, listen } from '../wire/listener.ts'
import { Connection } from './connection.ts'
import type { ImapLimits } from './limits.ts'
import type { ImapServices } from './services.ts'

export interface ImapSettings extends ListenSettings {
  /** Our name in the greeting. */
  readonly hostname: string
  /** Passwords without TLS on this (loopback) listener. */
  readonly insecureAuth: boolean
  readonly limits: ImapLimits
}

export function listenImap(services: ImapServices, settings: ImapSettings): Promise<Listener> {
  const { limits, implicitTls, hostname, insecureAuth } = settings
  const guard = new Guard(limits, services.sharedState)
  return listen(settings, {
    guard,
    refusal: '* BYE Too many connections, try again later',
    accept(socket, tls) {
      services.count('imap_connections')
      return new Connection(socket, services, guard, { hostname, tls, secure: implicitTls, insecureAuth, limits })
    },
  })
}
