// One connection to Redis that is never waited for long: what it cannot answer soon is as if it were not there.
import type { Redis } from 'ioredis'
import { shownAddress } from '../shown-address.ts'

/** Longest that one command may take. A cache that is slower than this is slower than the answer itself. */
const DEADLINE_MS = 150
const CONNECT_MS = 2000
/** A busy machine may need several connections before one answers in time. */
const START_MS = 10_000
const RECONNECT_MS = { first: 100, longest: 5000 }

export class RedisUnavailable extends Error {
  readonly code = 'unavailable'
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'RedisUnavailable'
  }
}

export interface RedisOptions {
  /** Before every key, so that installations can share a server. */
  readonly prefix?: string
  readonly onTrouble?: (error: unknown) => void
}

/** Rejects with a sentence when the server cannot be reached at the start; later it is reconnected to for ever. */
export async function connectRedis(url: string, options: RedisOptions = {}): Promise<Redis> {
  const { Redis: Client } = await import('ioredis')
  const client = new Client(url, {
    lazyConnect: true,
    connectionName: 'everpost',
    commandTimeout: DEADLINE_MS,
    connectTimeout: CONNECT_MS,
    // Nothing waits for a connection: without one the answer is known at once.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    keyPrefix: options.prefix ?? 'everpost:1:',
    retryStrategy: (times) => Math.min(RECONNECT_MS.first * 2 ** Math.min(times, 10), RECONNECT_MS.longest),
  })
  client.on('error', (error) => options.onTrouble?.(error))
  try {
    await untilReady(client)
    return client
  } catch (error) {
    client.disconnect()
    throw new RedisUnavailable(`Redis at ${shownAddress(url)} cannot be used: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** Waits through slow answers, which the client meets with a new connection; a server that refuses is not waited for. */
async function untilReady(client: Redis): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let trouble = new Error('it does not answer')
  const failed = (error: Error & { readonly code?: string }) => {
    trouble = error
    if (/ECONNREFUSED|ENOTFOUND|NOAUTH|WRONGPASS/.test(`${error.code} ${error.message}`)) reject(error)
  }
  client.on('error', failed)
  client.once('ready', resolve)
  const late = setTimeout(() => reject(trouble), START_MS)
  client.connect().catch(() => undefined)
  await promise.finally(() => {
    clearTimeout(late)
    client.off('error', failed)
    client.off('ready', resolve)
  })
}
