// A double of EventStoreDB 23.10 on its real wire: gRPC from the service definitions of the client package. Strict: what it does
// not know it refuses with UNIMPLEMENTED. Persistent subscriptions, projections, users and operations are not served at all.
import gossipService from '@eventstore/db-client/generated/gossip_grpc_pb.js'
import gossip from '@eventstore/db-client/generated/gossip_pb.js'
import featuresService from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js'
import features from '@eventstore/db-client/generated/serverfeatures_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streamsService from '@eventstore/db-client/generated/streams_grpc_pb.js'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { append, batchAppend } from './append.ts'
import { DoubleLog } from './log.ts'
import { type Access, type Endpoint, Node } from './node.ts'
import { read } from './read.ts'
import { unknown } from './refusals.ts'

export interface DoubleOptions {
  /** 0 or absent: any free one. */
  readonly port?: number
  /** Keeps the log in this file, so that a restart finds it. */
  readonly file?: string
  /** A log that another node writes too; it is not closed with this node. */
  readonly log?: DoubleLog
  readonly version?: string
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCa?: string }
  readonly access?: Access
  /** Who leads: this node itself when absent. */
  readonly leader?: () => Endpoint | 'me' | undefined
  /** What gossip tells. By default this node, leading. */
  readonly members?: () => readonly Member[]
}

export interface Member extends Endpoint {
  readonly state: 'leader' | 'follower' | 'read-only'
  readonly alive: boolean
}

const STATES = { leader: 8, follower: 6, 'read-only': 14 } as const

export class EventStoreDouble {
  readonly node: Node
  readonly port: number
  readonly log: DoubleLog
  readonly #server: Server
  readonly #ownsLog: boolean
  readonly #scheme: string

  private constructor(node: Node, server: Server, port: number, ownsLog: boolean, scheme: string) {
    this.node = node
    this.log = node.log
    this.port = port
    this.#server = server
    this.#ownsLog = ownsLog
    this.#scheme = scheme
  }

  static async start(options: DoubleOptions = {}): Promise<EventStoreDouble> {
    const log = options.log ?? new DoubleLog(options.file)
    const node = new Node(log, options.leader ?? (() => 'me'), options.access)
    let port = options.port ?? 0
    const members = options.members ?? (() => [{ address: '127.0.0.1', port, state: 'leader' as const, alive: true }])
    const server = new Server({ 'grpc.max_receive_message_length': 17 * 1024 * 1024 })
    const streams: streamsService.IStreamsServer = {
      read: (call) => void read(node, call),
      append: (call, callback) => append(node, call, callback),
      batchAppend: (call) => batchAppend(node, call),
      delete: (_, callback) => callback(unknown('deletion')),
      tombstone: (_, callback) => callback(unknown('tombstones')),
    }
    const versions: featuresService.IServerFeaturesServer = {
      getSupportedMethods: (_, callback) => callback(null, supportedMethods(options.version ?? '23.10.0')),
    }
    const cluster: gossipService.IGossipServer = { read: (_, callback) => callback(null, clusterInfo(members())) }
    server.addService(streamsService.StreamsService, streams)
    server.addService(featuresService.ServerFeaturesService, versions)
    server.addService(gossipService.GossipService, cluster)
    port = await bind(server, port, options.tls)
    return new EventStoreDouble(node, server, port, options.log === undefined, `tls=${options.tls !== undefined}`)
  }

  get url(): string {
    return `esdb://127.0.0.1:${this.port}?${this.#scheme}`
  }

  /** Cuts every connection, as a kill does, and frees the port. What was acknowledged is in the file, if there is one. */
  async stop(): Promise<void> {
    this.#server.forceShutdown()
    if (this.#ownsLog) this.log.close()
  }
}

function bind(server: Server, port: number, tls: DoubleOptions['tls']): Promise<number> {
  const credentials = tls
    ? ServerCredentials.createSsl(
        tls.clientCa === undefined ? null : Buffer.from(tls.clientCa),
        [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) }],
        tls.clientCa !== undefined,
      )
    : ServerCredentials.createInsecure()
  return new Promise((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  )
}

function supportedMethods(version: string): features.SupportedMethods {
  const method = (name: string, own: readonly string[]) =>
    new features.SupportedMethod()
      .setServiceName('event_store.client.streams.streams')
      .setMethodName(name)
      .setFeaturesList([...own])
  return new features.SupportedMethods()
    .setEventStoreServerVersion(version)
    .setMethodsList([
      method('read', ['position', 'events']),
      method('append', []),
      method('batchappend', ['deadline_duration']),
    ])
}

function clusterInfo(members: readonly Member[]): gossip.ClusterInfo {
  return new gossip.ClusterInfo().setMembersList(
    members.map(({ address, port, state, alive }) =>
      new gossip.MemberInfo()
        .setInstanceId(new shared.UUID().setString(crypto.randomUUID()))
        .setTimeStamp(String(Date.now() * 10_000))
        .setState(STATES[state])
        .setIsAlive(alive)
        .setHttpEndPoint(new gossip.EndPoint().setAddress(address).setPort(port)),
    ),
  )
}
