// What SPF, DKIM, DMARC, ARC and the reverse name say of a sender (RFC 8601), and what follows from it.
import type { FilterAction, FilterOpinion, FilterReason } from './verdict.ts'

/** Result words of RFC 8601 §2.7; 'skipped' for a trusted network. */
export type AuthenticationResult =
  | 'none'
  | 'neutral'
  | 'pass'
  | 'fail'
  | 'softfail'
  | 'policy'
  | 'temperror'
  | 'permerror'
  | 'skipped'

export interface DkimResult {
  readonly result: AuthenticationResult
  readonly domain: string
}

export interface DmarcResult {
  readonly result: AuthenticationResult
  /** Domain of the From field. */
  readonly domain: string
  /** The policy that the domain asks for, subdomain policy and test mode applied. */
  readonly policy: 'none' | 'quarantine' | 'reject'
  /** Share of failing mail that the policy is for, 0 to 100 (RFC 7489 pct; RFC 9989 dropped it, old records have it). */
  readonly percent: number
}

export interface SenderAuthentication {
  readonly spf: { readonly result: AuthenticationResult; readonly domain: string }
  readonly dkim: readonly DkimResult[]
  readonly dmarc: DmarcResult | undefined
  readonly arc: { readonly result: AuthenticationResult; readonly sealer: string | undefined }
  readonly iprev: AuthenticationResult
}

export interface AuthenticationPolicy {
  /** Sealers whose word counts when a forwarder broke SPF and DKIM (RFC 8617 §7.2.1): lowercase domains. */
  readonly trustedSealers: readonly string[]
}

const WEAKER = { reject: 'quarantine', quarantine: 'none', none: 'none' } as const
/** What a domain's policy makes of a message that fails it: quarantine means out of the inbox, not out of sight. */
const ACTIONS: Readonly<Record<DmarcResult['policy'], FilterAction | undefined>> = {
  none: undefined,
  quarantine: 'junk',
  reject: 'reject',
}

/** Pure. `sample` is 0 to 99, the same for the same message: messages at or above `pct` get the next weaker policy (RFC 7489 §6.6.4). */
export function authenticationOpinion(
  found: SenderAuthentication,
  policy: AuthenticationPolicy,
  sample: number,
): FilterOpinion {
  const reasons: FilterReason[] = []
  const reason = (rule: string, score: number, text: string) =>
    reasons.push({ engine: 'authentication', rule, score, text })
  const { spf, dkim, dmarc, arc } = found
  if (spf.result === 'fail') reason('spf=fail', 1.5, `${spf.domain} says that this host does not send its mail`)
  else if (spf.result === 'softfail') reason('spf=softfail', 0.7, `${spf.domain} doubts that this host sends its mail`)
  else if (spf.result === 'permerror') reason('spf=permerror', 0.3, `The SPF record of ${spf.domain} is broken`)
  if (dkim.some(({ result }) => result === 'pass')) reason('dkim=pass', -0.3, 'It is signed by its domain')
  else if (dkim.some(({ result }) => result === 'fail')) reason('dkim=fail', 0.5, 'Its signature does not match')
  if (found.iprev === 'fail') reason('iprev=fail', 0.5, 'The name of the sending host does not lead back to it')
  if (dmarc?.result === 'pass') reason('dmarc=pass', -0.5, `${dmarc.domain} is proven to be its sender`)
  if (dmarc?.result !== 'fail') return { engine: 'authentication', reasons }
  const vouched = arc.result === 'pass' && arc.sealer !== undefined && policy.trustedSealers.includes(arc.sealer)
  if (vouched) {
    reason('arc=pass', 0, `${arc.sealer} vouches for it`)
    return { engine: 'authentication', reasons }
  }
  const applied = sample < dmarc.percent ? dmarc.policy : WEAKER[dmarc.policy]
  reason('dmarc=fail', 1, `It does not come from ${dmarc.domain}, whose policy is ${applied}`)
  const action = ACTIONS[applied]
  return { engine: 'authentication', reasons, ...(action === undefined ? {} : { action }) }
}
