// What becomes of an incoming message, and why: opinions of several engines are put together to one verdict.

/** 'deliver' puts it into the inbox, 'junk' into Junk; 'quarantine' keeps it aside until somebody releases it; 'reject' answers 5xx. */
export type FilterAction = 'deliver' | 'junk' | 'quarantine' | 'reject'

export interface FilterReason {
  /** 'builtin', 'authentication', 'rspamd', … */
  readonly engine: string
  /** The engine's own name for it. */
  readonly rule: string
  /** Points it added; negative ones speak for the message. */
  readonly score: number
  /** One sentence in English, '' when the engine gives only the name. */
  readonly text: string
}

export interface FilterVerdict {
  readonly action: FilterAction
  /** Points of all engines together. */
  readonly score: number
  /** The weightiest first, at most `MAX_REASONS`. */
  readonly reasons: readonly FilterReason[]
  /** A virus or worse was found: only an administrator may release it. */
  readonly malware?: true
}

/** What one engine says of a message. */
export interface FilterOpinion {
  readonly engine: string
  readonly reasons: readonly FilterReason[]
  /** Points; by default the sum of the reasons' scores. */
  readonly score?: number
  /** What it insists on, whatever the points say. */
  readonly action?: FilterAction
  readonly malware?: true
}

export interface Thresholds {
  readonly junk: number
  readonly reject: number
}

export const DEFAULT_THRESHOLDS: Thresholds = { junk: 5, reject: 20 }

export const MAX_REASONS = 10
const MAX_RULE = 48
const MAX_TEXT = 120

const SEVERITY: Readonly<Record<FilterAction, number>> = { deliver: 0, junk: 1, quarantine: 2, reject: 3 }

/** Pure. The sum of the points decides between inbox, Junk and refusal; what an engine insists on can only make it stricter. */
export function decideVerdict(opinions: readonly FilterOpinion[], thresholds: Thresholds): FilterVerdict {
  const score = round(opinions.reduce((sum, opinion) => sum + pointsOf(opinion), 0))
  let action: FilterAction = score >= thresholds.reject ? 'reject' : score >= thresholds.junk ? 'junk' : 'deliver'
  for (const opinion of opinions) {
    if (opinion.action !== undefined && SEVERITY[opinion.action] > SEVERITY[action]) action = opinion.action
  }
  const reasons = opinions
    .flatMap((opinion) => opinion.reasons)
    .toSorted((a, b) => Math.abs(b.score) - Math.abs(a.score))
    .slice(0, MAX_REASONS)
    .map(({ engine, rule, score: points, text }) => ({
      engine: printable(engine, MAX_RULE),
      rule: printable(rule, MAX_RULE),
      score: round(points),
      text: printable(text, MAX_TEXT),
    }))
  return { action, score, reasons, ...(opinions.some(({ malware }) => malware) ? { malware: true } : {}) }
}

function pointsOf(opinion: FilterOpinion): number {
  const points = opinion.score ?? opinion.reasons.reduce((sum, { score }) => sum + score, 0)
  return Number.isFinite(points) ? points : 0
}

/** The few reasons that an intake event has room for: it holds a section for every recipient. */
export function shortVerdict(verdict: FilterVerdict): FilterVerdict {
  const reasons = verdict.reasons.slice(0, 4).map((reason) => ({ ...reason, text: printable(reason.text, 60) }))
  return { ...verdict, reasons }
}

/** The reason that a refusal or a list names: the weightiest. */
export const mainReason = (verdict: FilterVerdict): string =>
  verdict.reasons[0]?.text || verdict.reasons[0]?.rule || 'unwanted mail'

const round = (points: number): number => Math.round(points * 100) / 100

/** Engines are not trusted with the length or the characters of what they say. */
const printable = (text: string, limit: number): string =>
  text
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .slice(0, limit)
    .toWellFormed()
