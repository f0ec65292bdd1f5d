// What a SASL mechanism has of the client.
import type { ChannelBinding } from './channel-binding.ts'

/** The line as a mechanism sees it: bytes there and back, whatever the protocol wraps them in. */
export interface SaslPeer {
  /** The initial response (RFC 4959), where the client sent one. */
  readonly initial: Buffer | undefined
  /** Sends a challenge, answers the response. Rejects with the protocol's own error when the client gives up. */
  ask(challenge: string): Promise<Buffer>
  /** What the TLS below can be bound to; undefined without TLS. */
  readonly binding: ChannelBinding | undefined
}

/** The response that the mechanism begins with. */
export const firstResponse = async (peer: SaslPeer): Promise<Buffer> => peer.initial ?? peer.ask('')
