// JSON from the network, read strictly: no key twice, no keys that reach prototypes, bounded nesting.
// No library: JSON.parse lets the last of two equal keys win, so that two readers of one request may see two requests.

export class BadJson extends Error {}

const MAX_DEPTH = 64
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

/** The value of a JSON text. Throws `BadJson` with a sentence that says what is wrong. */
export function strictJson(text: string): unknown {
  checkShape(text)
  try {
    return JSON.parse(text)
  } catch {
    throw new BadJson('The body is not valid JSON.')
  }
}

/** One pass over the tokens: nesting, keys of each open object. Malformed text is left to JSON.parse. */
function checkShape(text: string): void {
  const open: (Set<string> | undefined)[] = []
  let keys: Set<string> | undefined
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) {
      const end = stringEnd(text, at)
      if (keys && isKey(text, end)) addKey(keys, text.slice(at, end))
      at = end - 1
    } else if (code === 0x7b || code === 0x5b) {
      if (open.length >= MAX_DEPTH) throw new BadJson(`The body nests deeper than ${MAX_DEPTH} levels.`)
      open.push(keys)
      keys = code === 0x7b ? new Set() : undefined
    } else if (code === 0x7d || code === 0x5d) keys = open.pop()
  }
}

function stringEnd(text: string, from: number): number {
  for (let at = from + 1; ; at++) {
    at = text.indexOf('"', at)
    if (at === -1) return text.length
    let slashes = 0
    while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes++
    if (slashes % 2 === 0) return at + 1
  }
}

function isKey(text: string, end: number): boolean {
  let at = end
  while (text.charCodeAt(at) <= 0x20) at++
  return text.charCodeAt(at) === 0x3a
}

function addKey(keys: Set<string>, written: string): void {
  let key = written
  try {
    key = String(JSON.parse(written))
  } catch {
    return
  }
  if (FORBIDDEN.has(key)) throw new BadJson(`The body has a key that is not allowed: ${key}.`)
  if (keys.has(key)) throw new BadJson(`The body has the key ${JSON.stringify(key.slice(0, 50))} twice.`)
  keys.add(key)
}
