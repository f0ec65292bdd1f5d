// The opinion of the built-in filter: rules, and what the models of the installation and of the account have learned.

import type { MailContent } from '../mail/structure.ts'
import { featuresOf, hashFeature } from './features.ts'
import type { Model } from './model.ts'
import { type Hit, heuristics } from './rules.ts'
import { type MailFacts, signalsOf } from './signals.ts'
import type { FilterOpinion, FilterReason } from './verdict.ts'

/** Rules are one voice, training the other: a message that only the rules dislike needs many of them. */
const RULE_WEIGHT = 0.5
/** From here on an account's own training counts in full; before, the installation's fills in. */
const FULL_ACCOUNT = 100

const RULE = 0x165667b1

export interface Assessment {
  readonly signals: Uint32Array
  readonly features: Uint32Array
  readonly hits: readonly Hit[]
}

/** Everything about a message that does not depend on whose it is. The rules that it meets are signals too, so training weighs them. */
export function assess(facts: MailFacts, mail: MailContent): Assessment {
  const hits = heuristics(facts, mail)
  const signals = signalsOf(
    facts,
    mail,
    hits.map(({ rule }) => hashFeature(rule, RULE)),
  )
  return { signals, hits, features: featuresOf({ envelope: mail.envelope, text: mail.text, signals }) }
}

export interface Models {
  readonly installation: Model | undefined
  readonly account?: Model | undefined
}

export function opinionOf({ hits, features }: Assessment, models: Models): FilterOpinion {
  const reasons: FilterReason[] = hits.map(({ rule, points, text }) => ({
    engine: 'builtin',
    rule,
    score: points * RULE_WEIGHT,
    text,
  }))
  const evidence = learned(features, models)
  if (evidence !== 0)
    reasons.push({
      engine: 'builtin',
      rule: 'learned',
      score: evidence,
      text: evidence > 0 ? 'It resembles mail that was moved to Junk' : 'It resembles mail that was wanted',
    })
  return { engine: 'builtin', reasons }
}

function learned(features: Uint32Array, { installation, account }: Models): number {
  const general = installation?.evidence(features) ?? 0
  if (account?.ready !== true) return general
  const share = Math.min(1, Math.min(account.spam, account.ham) / FULL_ACCOUNT)
  return share * account.evidence(features) + (1 - share) * general
}

/** Signals as an event keeps them: base64 of little-endian words. */
export function encodeSignals(signals: Uint32Array): string {
  const bytes = Buffer.alloc(signals.length * 4)
  for (const [i, signal] of signals.entries()) bytes.writeUInt32LE(signal, i * 4)
  return bytes.toString('base64')
}

export function decodeSignals(text: string | undefined): Uint32Array {
  const bytes = Buffer.from(text ?? '', 'base64')
  const signals = new Uint32Array(bytes.length >> 2)
  for (let i = 0; i < signals.length; i++) signals[i] = bytes.readUInt32LE(i * 4)
  return signals
}
