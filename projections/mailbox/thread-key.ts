// Stands in for domain/mail/thread.ts until that lands.
import type { Envelope } from '../../domain/mail/structure.ts'

export function threadKey(envelope: Envelope): { references: readonly string[]; subject: string; isReply: boolean } {
  const references = [...new Set([...envelope.references, ...envelope.inReplyTo])]
  const stripped = envelope.subject.replace(/^(\s*(re|fwd?|aw|sv)\s*(\[\d+\])?:\s*)+/i, '')
  return { references, subject: stripped.trim().toLowerCase(), isReply: stripped !== envelope.subject }
}
