// What ties a sign-in to the TLS below it (RFC 5056): whoever sits in between has other bytes here.
import { hash, X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

export interface ChannelBinding {
  /** The bytes of a binding type (RFC 5929, RFC 9266); undefined for one that this connection does not have. */
  bytes(type: string): Buffer | undefined
}

export function channelBindingOf(socket: TLSSocket): ChannelBinding {
  return {
    bytes(type) {
      // Before TLS 1.3 an exporter does not name its connection for sure (RFC 9266 §3).
      if (type === 'tls-exporter' && socket.getProtocol() === 'TLSv1.3')
        return socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
      return type === 'tls-server-end-point' ? certificateHash(socket) : undefined
    },
  }
}

/** RFC 5929 §4.1: by the hash of the certificate's own signature; SHA-256 where that is weaker, or has none. */
function certificateHash(socket: TLSSocket): Buffer | undefined {
  const own = socket.getCertificate()
  const raw = own && 'raw' in own ? own.raw : undefined
  if (!(raw instanceof Uint8Array)) return undefined
  const [, bits] = /sha-?(384|512)/i.exec(new X509Certificate(raw).signatureAlgorithm ?? '') ?? []
  return hash(bits === undefined ? 'sha256' : `sha${bits}`, raw, 'buffer')
}
