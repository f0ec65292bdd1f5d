// A name server on loopback that answers as it is told: records, codes, cut answers, silence, or any bytes at all.
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { type Answer, type DecodedPacket, decode, encode } from 'dns-packet'

export interface DnsReply {
  readonly rcode?: number
  readonly answers?: readonly Answer[]
  readonly authorities?: readonly Answer[]
  readonly authentic?: boolean
  /** Over UDP only: says that the answer is cut, and TCP has it. */
  readonly truncated?: boolean
  /** Sent before the answer, as they are. */
  readonly noise?: readonly Uint8Array[]
  /** Sent instead of an answer. */
  readonly raw?: Uint8Array
}

type Script = (asked: { readonly name: string; readonly type: string; readonly tcp: boolean }) => DnsReply | undefined

/** Silent where the script answers undefined. `asked` counts `TYPE name` in order. */
export async function startDnsServer(t: Pick<TestContext, 'after'>, script: Script) {
  const asked: string[] = []
  const reply = (query: Buffer, tcp: boolean): readonly Uint8Array[] => {
    const packet: DecodedPacket = decode(query)
    const [first] = packet.questions ?? []
    if (!first) return []
    asked.push(`${first.type} ${first.name}${tcp ? ' tcp' : ''}`)
    const said = script({ name: first.name, type: first.type, tcp })
    if (!said) return []
    if (said.raw) return [...(said.noise ?? []), said.raw]
    const flags = 0x8180 | (said.rcode ?? 0) | (said.authentic ? 1 << 5 : 0) | (said.truncated && !tcp ? 1 << 9 : 0)
    return [
      ...(said.noise ?? []),
      encode({
        type: 'response',
        id: packet.id ?? 0,
        flags,
        questions: [first],
        answers: said.truncated && !tcp ? [] : [...(said.answers ?? [])],
        authorities: [...(said.authorities ?? [])],
      }),
    ]
  }
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      for (const bytes of reply(chunk.subarray(2), true)) {
        const length = Buffer.alloc(2)
        length.writeUInt16BE(bytes.length)
        // In two pieces: an answer over TCP comes as the network likes.
        socket.write(length)
        socket.write(bytes)
      }
    })
  })
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
  const { port } = tcp.address() as { port: number }
  const udp = createSocket('udp4')
  udp.on('message', (query, from) => {
    for (const bytes of reply(query, false)) udp.send(bytes, from.port, from.address)
  })
  await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve))
  t.after(() => {
    udp.close()
    tcp.close()
  })
  return { server: { address: '127.0.0.1', port }, asked }
}
