// What a client says about reports with MAIL FROM and RCPT TO (RFC 3461, RFC 8689), as the submission keeps it.
import type { SMTPServerEnvelope } from 'smtp-server'
import type { RecipientToSubmit } from '../../commands/submit-message.ts'
import type { EnvelopeOptions, NotifyWhen } from '../../domain/submission/submission.ts'

/** RFC 3461 §4.4 and §4.2: at most 100 characters, at most 500. */
const MAX_ENVELOPE_ID = 100
const MAX_ORIGINAL = 500

interface MailParameters {
  readonly dsn?: { readonly ret?: string | null; readonly envid?: string | null }
  readonly requireTLS?: boolean
}
interface RecipientParameters {
  readonly dsn?: { readonly notify?: readonly string[] | null; readonly orcpt?: string | null }
}

export function envelopeOptions(envelope: SMTPServerEnvelope): EnvelopeOptions {
  const { dsn, requireTLS } = envelope as MailParameters
  const envelopeId = clean(dsn?.envid, MAX_ENVELOPE_ID)
  return {
    ...(envelopeId === undefined ? {} : { envelopeId }),
    ...(dsn?.ret ? { returns: dsn.ret === 'FULL' ? ('full' as const) : ('headers' as const) } : {}),
    ...(requireTLS ? { requireTls: true } : {}),
  }
}

/** `address` is the normalised form of the recipient's. */
export function recipientOptions(given: object, address: string): RecipientToSubmit {
  const { dsn } = given as RecipientParameters
  const originalRecipient = clean(dsn?.orcpt, MAX_ORIGINAL)
  return {
    address,
    ...(dsn?.notify && dsn.notify.length > 0
      ? { notify: dsn.notify.map((when) => when.toLowerCase() as NotifyWhen) }
      : {}),
    ...(originalRecipient === undefined ? {} : { originalRecipient }),
  }
}

/** The server library has decoded the xtext (RFC 3461 §4); undefined for what is too long or holds controls. */
function clean(text: string | null | undefined, longest: number): string | undefined {
  return text && text.length <= longest && !/[\u0000-\u001f\u007f\ufffd]/.test(text) ? text : undefined
}
