// Which East Asian encoding undeclared 8-bit bytes are in, if they strongly look like one.

/** Bytes that are looked at. */
const SAMPLE = 4096

/** What one double-byte encoding would make of the bytes. */
interface Reading {
  pairs: number
  /** Pairs in the rows that ordinary text of the language lives in. */
  typical: number
  broken: boolean
}

/** The charset that 8-bit bytes of no declared charset most look like. Needs at least four double-byte characters to leave windows-1252. */
export function guessCharset(bytes: Uint8Array): string {
  const sjis = read(
    bytes,
    isSjisLead,
    (trail) => trail >= 0x40 && trail <= 0xfc && trail !== 0x7f,
    (lead) => lead === 0x82 || lead === 0x83,
  )
  if (!sjis.broken && sjis.pairs >= 4 && sjis.typical * 3 >= sjis.pairs) return 'shift_jis'
  const high = (byte: number): boolean => byte >= 0xa1 && byte <= 0xfe
  const kana = read(bytes, high, high, (lead) => lead === 0xa4 || lead === 0xa5)
  if (!kana.broken && kana.pairs >= 4) {
    if (kana.typical * 3 >= kana.pairs) return 'euc-jp'
    const hangul = read(bytes, high, high, (lead) => lead >= 0xb0 && lead <= 0xc8)
    return hangul.typical * 10 >= hangul.pairs * 9 ? 'euc-kr' : 'gb18030'
  }
  const big5 = read(
    bytes,
    high,
    (trail) => (trail >= 0x40 && trail <= 0x7e) || high(trail),
    (lead) => lead >= 0xa4 && lead <= 0xc6,
  )
  return !big5.broken && big5.pairs >= 4 && big5.typical * 10 >= big5.pairs * 7 ? 'big5' : 'windows-1252'
}

function isSjisLead(byte: number): boolean {
  return (byte >= 0x81 && byte <= 0x9f) || (byte >= 0xe0 && byte <= 0xef)
}

function read(
  bytes: Uint8Array,
  isLead: (byte: number) => boolean,
  isTrail: (byte: number) => boolean,
  isTypical: (lead: number) => boolean,
): Reading {
  const found: Reading = { pairs: 0, typical: 0, broken: false }
  const end = Math.min(bytes.length, SAMPLE)
  for (let i = 0; i < end; i++) {
    const lead = bytes[i] as number
    if (lead < 0x80) continue
    if (!isLead(lead) || !isTrail(bytes[i + 1] ?? 0)) {
      // The sample may end inside a character.
      if (i + 1 < SAMPLE) found.broken = true
      return found
    }
    found.pairs++
    if (isTypical(lead)) found.typical++
    i++
  }
  return found
}
