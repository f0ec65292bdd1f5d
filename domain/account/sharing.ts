// Rights on a folder that its owner gives to others (RFC 4314 §2), and annotations that programs keep beside folders (RFC 5464).

/** In the order in which they are written. `p` (post) is given and kept like the others: nothing here asks for it. */
export const RIGHTS = 'lrswipkxtea'

/** One letter a right, in the order of `RIGHTS`, none twice; '' is none. */
export type Rights = string

/** The rights of letters in any order; undefined when one is none. `c` and `d` are those of RFC 2086 (RFC 4314 §2.1.1). */
export function rightsOf(letters: string): Rights | undefined {
  if (!/^[a-z0-9]*$/.test(letters)) return undefined
  const wanted = new Set(letters.replace('c', 'kx').replace('d', 'te'))
  for (const letter of wanted) if (!RIGHTS.includes(letter)) return undefined
  return [...RIGHTS].filter((letter) => wanted.has(letter)).join('')
}

/** All that either has. */
export const joinRights = (a: Rights, b: Rights): Rights => rightsOf(a + b) ?? ''

/** What is left of `a` without `b`. */
export const withoutRights = (a: Rights, b: Rights): Rights => [...a].filter((letter) => !b.includes(letter)).join('')

/** Who a folder is shared with: an account, or everybody of a domain, written `@example.test`. */
export type Grantee = string

export interface Grant {
  readonly folderId: string
  readonly with: Grantee
  readonly rights: Rights
}

/** Whoever is not the owner has what was given to the account itself and to its domain together. */
export function grantedRights(
  grants: readonly Grant[],
  folderId: string,
  account: { readonly id: string; readonly domain: string },
): Rights {
  let rights = ''
  for (const grant of grants) {
    if (grant.folderId !== folderId) continue
    if (grant.with === account.id || grant.with === `@${account.domain}`) rights = joinRights(rights, grant.rights)
  }
  return rights
}

export const MAX_GRANTS = 1_000
export const MAX_ANNOTATIONS = 200
/** Of one value. */
export const MAX_ANNOTATION_BYTES = 32 * 1024
export const MAX_ENTRY = 255

/** An entry's name in lowercase (RFC 5464 §3.1): under /private or /shared, no empty parts, printable ASCII without wildcards. */
export function entryName(written: string): string | undefined {
  const name = written.toLowerCase()
  if (name.length > MAX_ENTRY || !/^\/(?:private|shared)(?:\/[\x21-\x24\x26-\x29\x2b-\x2e\x30-\x7e]+)+$/.test(name))
    return undefined
  return name
}
