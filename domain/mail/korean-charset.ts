// UHC (cp949), which WHATWG calls euc-kr. The runtime's decoder knows KS X 1001 alone and loses the other 8,822 syllables,
// which everyday Korean uses (똠, 펲, 뷁), so the table is completed here.

const LEAD_FIRST = 0x81
const LEAD_LAST = 0xfe
let table: Uint16Array | undefined

/** Code units by `lead << 8 | trail`; 0 where there is no character. */
function uhcTable(): Uint16Array {
  if (table !== undefined) return table
  const made = new Uint16Array(65536)
  const decoder = new TextDecoder('euc-kr')
  const known = new Set<number>()
  for (let lead = 0xa1; lead <= LEAD_LAST; lead++) {
    for (let trail = 0xa1; trail <= 0xfe; trail++) {
      const text = decoder.decode(Uint8Array.of(lead, trail))
      const code = text.length === 1 ? text.charCodeAt(0) : 0xfffd
      if (code === 0xfffd) continue
      made[(lead << 8) | trail] = code
      known.add(code)
    }
  }
  // KS X 1001:1998 and 2002 added three signs.
  made[0xa2e6] ||= 0x20ac
  made[0xa2e7] ||= 0xae
  made[0xa2e8] ||= 0x327e
  // UHC gives the syllables that KS X 1001 lacks, in Unicode's order, to the free trail bytes.
  let syllable = 0xac00
  for (let lead = LEAD_FIRST; lead <= 0xc6; lead++) {
    for (let trail = 0x41; trail <= 0xfe; trail++) {
      if ((trail > 0x5a && trail < 0x61) || (trail > 0x7a && trail < 0x81) || (lead > 0xa0 && trail > 0xa0)) continue
      while (known.has(syllable)) syllable++
      if (syllable > 0xd7a3) break
      made[(lead << 8) | trail] = syllable++
    }
  }
  table = made
  return made
}

/** Text of UHC bytes; what is none becomes U+FFFD, an ASCII byte behind a stray lead stays. */
export function decodeUhc(bytes: Uint8Array): string {
  const codes = uhcTable()
  const out = new Uint16Array(bytes.length)
  let length = 0
  for (let i = 0; i < bytes.length; i++) {
    const lead = bytes[i] as number
    if (lead < 0x80) {
      out[length++] = lead
      continue
    }
    const trail = bytes[i + 1] ?? 0
    const code = codes[(lead << 8) | trail] as number
    out[length++] = code === 0 ? 0xfffd : code
    if (code !== 0 || trail >= 0x80) i++
  }
  return Buffer.from(out.buffer, 0, length * 2).toString('utf16le')
}
