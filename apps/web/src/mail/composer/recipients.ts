// Addresses as people type and paste them.

import type { AddressInput } from '../../data/types.ts'

const ADDRESS = /^[^\s@<>(),;:"]+@[^\s@<>(),;:"]+$/u

export const isAddress = (text: string): boolean => ADDRESS.test(text)

/** Splits on commas, semicolons and new lines that are not inside quotes or angle brackets. */
export function splitAddresses(text: string): string[] {
  const parts: string[] = []
  let part = ''
  let quoted = false
  let angled = false
  for (const char of text) {
    if (char === '"') quoted = !quoted
    else if (char === '<' && !quoted) angled = true
    else if (char === '>' && !quoted) angled = false
    const ends = char === '\n' || (!quoted && !angled && (char === ',' || char === ';'))
    if (ends) {
      parts.push(part)
      part = ''
      if (char === '\n') quoted = angled = false
    } else part += char
  }
  parts.push(part)
  return parts.map((each) => each.trim()).filter((each) => each !== '')
}

/** `Kim <kim@example.com>`, `"Lee, A" <a@b.c>` or a bare address. What is no address stays as it was typed. */
export function parseAddress(text: string): AddressInput {
  const match = /^(.*?)\s*<([^<>]*)>$/su.exec(text.trim())
  if (!match) return { address: text.trim().replace(/^mailto:/i, '') }
  const name = (match[1] ?? '')
    .trim()
    .replace(/^"(.*)"$/su, '$1')
    .replace(/\\(.)/gsu, '$1')
  const address = (match[2] ?? '').trim()
  return name === '' ? { address } : { name, address }
}

export const parseAddresses = (text: string): AddressInput[] => splitAddresses(text).map(parseAddress)

/** Adds without doubling an address. */
export function addAddresses(now: readonly AddressInput[], more: readonly AddressInput[]): readonly AddressInput[] {
  const known = new Set(now.map((each) => each.address.toLowerCase()))
  const added = more.filter((each) => {
    const key = each.address.toLowerCase()
    if (key === '' || known.has(key)) return false
    known.add(key)
    return true
  })
  return added.length === 0 ? now : [...now, ...added]
}

export function formatAddress({ name, address }: AddressInput): string {
  if (!name) return address
  return /[",;<>@]/.test(name) ? `"${name.replace(/["\\]/g, '\\$&')}" <${address}>` : `${name} <${address}>`
}
