// The client of MongoDB, whatever is kept there. Loaded only where MongoDB is used: without it the driver never takes memory.
import { MongoClient, type MongoClientOptions } from 'mongodb'

export interface MongoClientSettings extends MongoClientOptions {
  /** Longest wait for a server, and for one command, milliseconds. */
  readonly waitMs: number
  readonly commandMs: number
}

/** Not connected yet. What it writes is on the disks of the majority when it is acknowledged. Throws for an address that is none. */
export function mongoClient(url: string, { waitMs, commandMs, ...options }: MongoClientSettings): MongoClient {
  return new MongoClient(url, {
    appName: 'everpost',
    writeConcern: { w: 'majority', journal: true },
    connectTimeoutMS: waitMs,
    serverSelectionTimeoutMS: waitMs,
    socketTimeoutMS: commandMs,
    ...options,
  })
}
