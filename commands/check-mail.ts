// Asks every filter at once, each within its time, and puts their opinions together.
import { decideVerdict, type FilterOpinion, type FilterVerdict, type Thresholds } from '../domain/filter/verdict.ts'
import type { AccountId } from '../domain/log.ts'
import type { Judgement, MailFilter, MailToCheck } from './ports/mail-filter.ts'

export interface FilterInUse {
  readonly filter: MailFilter
  readonly timeoutMs: number
  /** When it cannot be asked: 'open' goes on without it, 'closed' lets the sender try again later. */
  readonly onFailure: 'open' | 'closed'
}

export interface CheckedMail {
  /** For the message as a whole. */
  readonly verdict: FilterVerdict
  readonly ofAccount: ReadonlyMap<AccountId, FilterVerdict>
  readonly signals?: string
}

export interface CheckPorts {
  readonly filters: readonly FilterInUse[]
  readonly thresholds: Thresholds
  readonly onFailure?: (filter: string, error: unknown) => void
}

export class FilterUnavailable extends Error {
  constructor(filter: string) {
    super(`The filter ${filter} does not answer and mail may not pass without it`)
    this.name = 'FilterUnavailable'
  }
}

/** `known` are opinions formed before, such as the sender's authentication. Throws FilterUnavailable for a filter that fails closed. */
export async function checkMail(
  ports: CheckPorts,
  message: MailToCheck,
  known: readonly FilterOpinion[] = [],
): Promise<CheckedMail> {
  const judgements = await Promise.all(ports.filters.map((each) => ask(each, message, ports.onFailure)))
  const found = judgements.filter((each) => each !== undefined)
  const common = [...known, ...found.map(({ opinion }) => opinion)]
  const ofAccount = new Map<AccountId, FilterVerdict>()
  for (const { accountId } of message.recipients) {
    if (!found.some((each) => each.ofAccount?.has(accountId))) continue
    const own = found.map((each) => each.ofAccount?.get(accountId) ?? each.opinion)
    ofAccount.set(accountId, decideVerdict([...known, ...own], ports.thresholds))
  }
  const signals = found.find((each) => each.signals !== undefined)?.signals
  return {
    verdict: decideVerdict(common, ports.thresholds),
    ofAccount,
    ...(signals === undefined ? {} : { signals }),
  }
}

async function ask(
  { filter, timeoutMs, onFailure }: FilterInUse,
  message: MailToCheck,
  report: CheckPorts['onFailure'],
): Promise<Judgement | undefined> {
  const limit = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`no answer within ${timeoutMs} ms`)
      limit.abort(error)
      reject(error)
    }, timeoutMs)
  })
  try {
    return await Promise.race([filter.check(message, limit.signal), late])
  } catch (error) {
    report?.(filter.name, error)
    if (onFailure === 'closed') throw new FilterUnavailable(filter.name)
    return undefined
  } finally {
    clearTimeout(timer)
  }
}
