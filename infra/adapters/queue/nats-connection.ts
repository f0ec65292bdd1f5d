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
  const { username, password, host } = new URL(url)
  try {
    return await connect({
      servers: host,
      name,
      ...(username === '' ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
      timeout: CONNECT_MS,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      pingInterval: 10_000,
      maxPingOut: 2,
    })
  } catch (error) {
    throw new NatsUnavailable(`NATS at ${host} cannot be used: ${(error as Error).message}`, { cause: error })
  }
}
