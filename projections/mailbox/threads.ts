// Which conversation a message joins: by References first, then by the subject of a reply. Scoped to one account.

import type { Envelope } from '../../domain/mail/structure.ts'
import { threadKey } from '../../domain/mail/thread.ts'
import { type AccountUnit, resolveThread } from './unit.ts'

/** References that count: the root and the nearest ancestors. */
const MAX_REFERENCES = 32

/**
 * What decides about a message's thread, as numbers below 2^48: its own message id (0 without one), its base subject (0 without
 * one; odd for a reply or forward), then those that it answers. Kept beside sealed arrivals, so what a text hashes to must not change.
 */
export function threadKeysOf(envelope: Envelope): number[] {
  const { references, subject, isReply } = threadKey(envelope)
  const ancestors =
    references.length <= MAX_REFERENCES
      ? references
      : [references[0] as string, ...references.slice(references.length + 1 - MAX_REFERENCES)]
  return [
    envelope.messageId === undefined ? 0 : hashKey(`r${envelope.messageId}`),
    subject === '' ? 0 : hashKey(`s${subject}`) + Number(isReply),
    ...ancestors.map((id) => hashKey(`r${id}`)),
  ]
}

/** 47 bits of a string, doubled (cyrb53, public domain): within one account two keys meet by chance once in many thousand mailboxes. */
function hashKey(text: string): number {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 2654435761)
    b = Math.imul(b ^ code, 1597334677)
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
  return 2 * (4294967296 * (0x7fff & b) + (a >>> 0))
}

/**
 * The thread of an arrival: a number that is the revision of the arrival that opened it, so that the oldest is the smallest.
 * A message that ties two threads together merges the younger into the older.
 */
export function joinThread(unit: AccountUnit, keys: readonly number[], revision: number): number {
  const own = keys[0] ?? 0
  const reply = (keys[1] ?? 0) % 2
  const subject = (keys[1] ?? 0) - reply

  let thread: number | undefined
  // Its own id comes last: where it stands in the list does not matter.
  const found: (number | undefined)[] = []
  for (let i = 2; i <= keys.length; i++) {
    const key = i < keys.length ? (keys[i] as number) : own
    const one = key === 0 ? undefined : unit.thread(key)
    found.push(one)
    if (one !== undefined && (thread === undefined || one < thread)) thread = one
  }
  const ofSubject = subject === 0 ? undefined : unit.thread(subject)
  if (thread === undefined && reply === 1) thread = ofSubject
  const joined = thread ?? revision

  for (let i = 2; i <= keys.length; i++) {
    const key = i < keys.length ? (keys[i] as number) : own
    const one = found[i - 2]
    if (key === 0) continue
    if (one === undefined) unit.threads.set(key, joined)
    else if (resolveThread(unit.state, one) !== joined) {
      unit.state.aliases.set(one, joined)
      unit.merged.push([one, joined])
    }
  }
  if (subject !== 0 && (ofSubject === undefined || resolveThread(unit.state, ofSubject) !== joined))
    unit.threads.set(subject, joined)
  return joined
}

export const threadId = (thread: number): string => `t${thread.toString(36)}`

/** The number in a thread id, undefined for what is not one. */
export function threadNumber(id: string): number | undefined {
  if (!/^t[0-9a-z]{1,11}$/.test(id)) return undefined
  const thread = Number.parseInt(id.slice(1), 36)
  return Number.isSafeInteger(thread) ? thread : undefined
}
