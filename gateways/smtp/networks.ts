// Client addresses as networks: the unit in which strangers are counted, trusted and looked up in blocklists.
import { BlockList, isIP, isIPv4 } from 'node:net'

/** IPv4 addresses in IPv6 clothes are IPv4 addresses. */
export const plainAddress = (address: string): string => /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address

/** The /24 of an IPv4 address, the /64 of an IPv6 address; other text as it is. */
export function networkOf(address: string): string {
  const plain = plainAddress(address)
  if (isIPv4(plain)) return `${plain.split('.').slice(0, 3).join('.')}.0/24`
  const groups = expanded(plain)
  return groups === undefined ? plain : `${groups.slice(0, 4).join(':')}::/64`
}

/** `2.0.0.127.in-addr.arpa`, or its nibbles below ip6.arpa; undefined for what is no address. */
export function reverseName(address: string): string | undefined {
  const reversed = reversedLabels(address)
  if (reversed === undefined) return undefined
  return `${reversed}.${isIPv4(plainAddress(address)) ? 'in-addr' : 'ip6'}.arpa`
}

/** The labels of an address backwards, as reverse zones and DNS blocklists have them (RFC 5782 §2.1, §2.4). */
export function reversedLabels(address: string): string | undefined {
  const plain = plainAddress(address)
  if (isIPv4(plain)) return plain.split('.').toReversed().join('.')
  return expanded(plain)?.join('').split('').toReversed().join('.')
}

/** Eight groups of four hexadecimal digits. */
function expanded(address: string): readonly string[] | undefined {
  const plain = address.replace(/%.*$/, '')
  if (isIP(plain) !== 6) return undefined
  const [head = '', tail] = plain.split('::') as [string, string?]
  const groups = (text: string) =>
    text === ''
      ? []
      : text.split(':').flatMap((group) => {
          if (!group.includes('.')) return [group]
          const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
          return [((a << 8) | b).toString(16), ((c << 8) | d).toString(16)]
        })
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0')
  return [...before, ...zeros, ...after].map((group) => group.padStart(4, '0').toLowerCase())
}

/** A set of networks: `192.0.2.0/24`, `2001:db8::/32`, single addresses. Throws a sentence for what is not one. */
export class Networks {
  readonly #list = new BlockList()

  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', bits] = network.split('/')
      const family = isIP(address)
      const width = family === 4 ? 32 : 128
      const prefix = bits === undefined ? width : Number(bits)
      if (family === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > width)
        throw new Error(`${network} is not a network such as 192.0.2.0/24 or 2001:db8::/32`)
      this.#list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6')
    }
  }

  has(address: string): boolean {
    const plain = plainAddress(address).replace(/%.*$/, '')
    const family = isIP(plain)
    return family !== 0 && this.#list.check(plain, family === 4 ? 'ipv4' : 'ipv6')
  }
}
