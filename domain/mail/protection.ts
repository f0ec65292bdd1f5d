// Whether a message is signed or encrypted, told from its structure (RFC 1847, RFC 8551, RFC 3156) or inline OpenPGP armor.
import type { MimePart, Protection } from './structure.ts'

/** Encrypted wins over signed. `firstText` is the decoded beginning of the message's own plain text. */
export function protectionOf(root: MimePart, firstText: string): Protection | undefined {
  let found: Protection | undefined
  const visit = (part: MimePart): void => {
    if (found === 'encrypted') return
    found = ofPart(part) ?? found
    for (const child of part.parts ?? []) visit(child)
  }
  visit(root)
  if (found === 'encrypted' || !firstText.includes('-----BEGIN PGP ')) return found
  if (/^-----BEGIN PGP MESSAGE-----/m.test(firstText)) return 'encrypted'
  return /^-----BEGIN PGP SIGNED MESSAGE-----/m.test(firstText) ? 'signed' : found
}

function ofPart(part: MimePart): Protection | undefined {
  switch (part.type) {
    case 'multipart/encrypted':
      return 'encrypted'
    case 'multipart/signed':
      return 'signed'
    case 'application/pkcs7-mime':
    case 'application/x-pkcs7-mime': {
      const kind = part.params['smime-type']?.toLowerCase()
      if (kind === 'signed-data') return 'signed'
      return kind === 'certs-only' || kind === 'compressed-data' ? undefined : 'encrypted'
    }
    default:
      return undefined
  }
}
