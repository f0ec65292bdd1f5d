// Which conversation a message joins: by References first, then by the subject of a reply. Scoped to one account.

import type { Envelope } from '../../domain/mail/structure.ts'
import { threadKey } from '../../domain/mail/thread.ts'
import { type AccountUnit, resolveThread } from './unit.ts'

/**
 * The thread of an arrival: a number that is the revision of the arrival that opened it, so that the oldest is the smallest.
 * A message that ties two threads together merges the younger into the older.
 */
export function joinThread(unit: AccountUnit, envelope: Envelope, revision: number): number {
  const { references, subject, isReply } = threadKey(envelope)
  const own = envelope.messageId === undefined ? undefined : `r${envelope.messageId}`
  const bySubject = subject === '' ? undefined : `s${subject}`
  const keys = references.map((id) => `r${id}`)
  if (own !== undefined && !keys.includes(own)) keys.push(own)

  let thread: number | undefined
  const found = keys.map((key) => unit.thread(key))
  for (const one of found) if (one !== undefined && (thread === undefined || one < thread)) thread = one
  if (thread === undefined && isReply && bySubject !== undefined) thread = unit.thread(bySubject)
  const joined = thread ?? revision

  for (let i = 0; i < keys.length; i++) {
    const one = found[i]
    if (one === undefined) unit.threads.set(keys[i] as string, joined)
    else if (resolveThread(unit.state, one) !== joined) {
      unit.state.aliases.set(one, joined)
      unit.merged.push([one, joined])
    }
  }
  if (bySubject !== undefined && unit.thread(bySubject) !== joined) unit.threads.set(bySubject, joined)
  return joined
}

export const threadId = (thread: number): string => `t${thread.toString(36)}`

/** The number in a thread id, undefined for what is not one. */
export function threadNumber(id: string): number | undefined {
  if (!/^t[0-9a-z]{1,11}$/.test(id)) return undefined
  const thread = Number.parseInt(id.slice(1), 36)
  return Number.isSafeInteger(thread) ? thread : undefined
}
