// One connection to NATS: made when it is asked for, kept alive for ever, its client loaded only where NATS is used.
import type { NatsConnection } from 'nats'

const CONNECT_MS = 5000
const RECONNECT_MS = 500

export class NatsUnavailable extends Error {
  readonly code = 'unavailable'
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'NatsUnavailable'
  }
}

/** Rejects with a sentence when the server cannot be reached or has no JetStream; afterwards it reconnects by itself, for ever. */
export async function connectNats(url: string, name: string): Promise<NatsConnection> {
  const { connect } = await import('nats')
  const { tls, user, password, hosts } = natsAddress(url)
  try {
    return await connect({
      servers: hosts,
      name,
      ...(user === undefined ? {} : { user, pass: password ?? '' }),
      ...(tls ? { tls: {} } : {}),
      timeout: CONNECT_MS,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      pingInterval: 10_000,
      maxPingOut: 2,
    })
  } catch (error) {
    throw new NatsUnavailable(`NATS at ${hosts.join(', ')} cannot be used: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** `nats://USER:PASSWORD@HOST:PORT,HOST:PORT`, or `tls://…`. */
export function natsAddress(url: string): {
  readonly tls: boolean
  readonly user: string | undefined
  readonly password: string | undefined
  readonly hosts: string[]
} {
  const parts = /^(nats|tls):\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?]+)\/?$/.exec(url)
  if (parts === null) throw new NatsUnavailable('NATS is named nats://USER:PASSWORD@HOST:4222, or tls:// with TLS')
  const [, scheme, user, password, hosts = ''] = parts
  return {
    tls: scheme === 'tls',
    user: user === undefined ? undefined : decodeURIComponent(user),
    password: password === undefined ? undefined : decodeURIComponent(password),
    hosts: hosts.split(','),
  }
}
