// Message flags: IMAP system flags and keywords under one lowercase spelling.

/** The flags with a meaning of their own (RFC 9051 §2.3.2, RFC 5788). `\deleted` is IMAP's mark before EXPUNGE. */
export const SYSTEM_FLAGS = ['\\seen', '\\answered', '\\flagged', '\\deleted', '\\draft'] as const

export const MAX_KEYWORDS = 64

/**
 * One spelling for each flag: lowercase. Returns undefined for what RFC 9051 §9 forbids in a flag
 * (`flag-keyword = atom`, and only the known `\` flags), and for flags over 100 characters.
 */
export function normalizeFlag(flag: string): string | undefined {
  const lower = flag.toLowerCase()
  if (lower.startsWith('\\')) return (SYSTEM_FLAGS as readonly string[]).includes(lower) ? lower : undefined
  if (lower.length === 0 || lower.length > 100) return undefined
  for (let i = 0; i < lower.length; i++) {
    const c = lower.charCodeAt(i)
    if (c <= 0x20 || c >= 0x7f || '(){%*"\\]'.includes(lower[i] as string)) return undefined
  }
  return lower
}
