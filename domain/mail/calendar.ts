// What a person would search an invitation by (RFC 5545 §3.1, §3.8.1).

/** SUMMARY, LOCATION and DESCRIPTION of a calendar text, unfolded and unescaped, in that order and once each. */
export function calendarTexts(text: string): string[] {
  const found = new Map<string, string>()
  const pattern = /^(SUMMARY|LOCATION|DESCRIPTION)(?:;(?:[^":\n]|"[^"\n]*")*)?:(.*)$/gim
  for (const [, name = '', value = ''] of text
    .replace(/\r?\n[ \t]/g, '')
    .replace(/\r/g, '')
    .matchAll(pattern)) {
    const key = name.toUpperCase()
    const plain = value
      .replace(/\\([nN,;\\])/g, (_all, sign: string) => (sign === 'n' || sign === 'N' ? '\n' : sign))
      .trim()
    if (plain !== '' && !found.has(key)) found.set(key, plain)
    if (found.size === 3) break
  }
  return ['SUMMARY', 'LOCATION', 'DESCRIPTION'].flatMap((key) => found.get(key) ?? [])
}
