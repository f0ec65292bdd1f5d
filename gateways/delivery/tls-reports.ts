// The daily reports of RFC 8460: what the log of a day says of TLS sessions, sent to each domain that wants to know.
// The checkpoint stands where the first day that is not reported begins; a report's id follows from day and domain, so a second look
// after a crash adds nothing.
import { gzipSync } from 'node:zlib'
import { contextOf, toNewEvents } from '../../commands/context.ts'
import { derivedId } from '../../commands/identity.ts'
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import type { CheckpointStore } from '../../commands/ports/checkpoint-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import { type Resolver, ResolverError } from '../../commands/ports/resolver.ts'
import type { Directory } from '../../commands/ports/views.ts'
import { newSubmission } from '../../commands/submit-message.ts'
import {
  composeTlsReport,
  DAY_MS,
  dayOf,
  type PolicyCounts,
  type ReportedPolicy,
  type ReportPlaces,
  readReportPlaces,
  TlsDay,
  tlsReport,
} from '../../domain/delivery/tls-report.ts'
import { isRedacted, submissionStream } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import { type EventSource, isUnreadable } from '../../projections/ports/event-source.ts'
import { fromNowOn, oneAtATime, upToNow } from './following.ts'

export interface TlsReportDependencies {
  readonly journal: Journal
  readonly source: Pick<EventSource, 'subscribe' | 'head'>
  readonly blobs: MessageBlobs
  readonly directory: Directory
  readonly resolver: Resolver
  readonly checkpoints: CheckpointStore
  /** The lines of a domain's MTA-STS policy; undefined when it has none. */
  readonly stsLines?: (domain: string) => Promise<readonly string[] | undefined>
  /** Our domain: reports are from its postmaster. */
  readonly domain: string
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
}

const NAME = 'tls-reports'
const TYPES: ReadonlySet<string> = new Set(['RecipientDelivered', 'RecipientDeferred', 'RecipientBounced'])
/** After midnight, until what was decided before it is on the log. */
const SETTLE_MS = 15 * 60_000
/** Reports of all senders must not come in one moment (RFC 8460 §5.3): each at a time of its own within these. */
const SPREAD_MS = 4 * 3_600_000
/** So long the name servers of a domain may be out of reach before its report is left out. */
const PATIENCE_MS = DAY_MS
const MAX_TLSA_HOSTS = 10

export class TlsReports {
  readonly #deps: TlsReportDependencies
  /** The day that was found not to be over yet. */
  #today = -1

  constructor(deps: TlsReportDependencies) {
    this.#deps = deps
  }

  /** Reports every day that is over and not reported; one look at a time. */
  readonly look = oneAtATime((signal) => this.#look(signal))

  async #look(signal: AbortSignal | undefined): Promise<void> {
    const { source, checkpoints, now } = this.#deps
    const today = dayOf(now() - SETTLE_MS)
    if (today === this.#today) return
    let seen = await fromNowOn(checkpoints, NAME, () => source.head())
    let day: number | undefined
    let sessions = new TlsDay()
    let session: string | undefined
    for await (const batch of upToNow(source, { after: seen, prefixes: ['submission-'], types: TYPES, signal })) {
      for (const event of batch.events) {
        if (isRedacted(event) || isUnreadable(event)) continue
        if (
          event.type !== 'RecipientDelivered' &&
          event.type !== 'RecipientDeferred' &&
          event.type !== 'RecipientBounced'
        )
          continue
        // The order of the log decides: what was written after a day's end by a clock that was behind counts for the next.
        const at = Math.max(dayOf(event.metadata.at), day ?? 0)
        if (day !== undefined && at > day) {
          if (!(await this.#report(day, sessions, signal))) return
          await checkpoints.save(NAME, seen)
          sessions = new TlsDay()
        }
        day = at
        if (day >= today) {
          this.#today = today
          return
        }
        seen = event.position
        // Recipients of one transaction have their answers in one append: that is one session. Reports are not reported.
        const same = `${event.metadata.causationId} ${event.data.tls?.policyDomain}`
        if (event.metadata.actor !== 'system' && same !== session)
          sessions.count(event.data, event.type === 'RecipientDelivered')
        session = same
      }
      if (!batch.caughtUp) continue
      if (day !== undefined && !(await this.#report(day, sessions, signal))) return
      await checkpoints.save(NAME, batch.position ?? seen)
      this.#today = today
    }
  }

  /** False when a domain must be asked again later, or when it was stopped in the middle. */
  async #report(day: number, sessions: TlsDay, signal: AbortSignal | undefined): Promise<boolean> {
    const { journal, now, log } = this.#deps
    let all = true
    for (const [policyDomain, policies] of sessions.domains) {
      if (signal?.aborted) return false
      const id = derivedId('tls-report', String(day), policyDomain)
      const submissionId = derivedId('submission', id)
      if ((await journal.lastRevision(submissionStream(submissionId))) !== undefined) continue
      const places = await this.#places(policyDomain)
      if (places === 'later') {
        const over = now() > (day + 1) * DAY_MS + PATIENCE_MS
        log('tls report waits', { domain: policyDomain, reason: 'its name servers do not answer', givenUp: over })
        all &&= over
        continue
      }
      for (const place of places?.others ?? []) log('tls report not sent', { domain: policyDomain, place })
      if (!places || places.addresses.length === 0) continue
      await this.#submit({ id, submissionId, day, policyDomain, policies }, places.addresses)
    }
    return all
  }

  async #places(domain: string): Promise<ReportPlaces | 'later' | undefined> {
    try {
      const { records } = await this.#deps.resolver.resolve(`_smtp._tls.${domain}`, 'TXT')
      return readReportPlaces(records)
    } catch (error) {
      if (!(error instanceof ResolverError)) throw error
      return error.code === 'temporary' ? 'later' : undefined
    }
  }

  async #submit(
    report: {
      readonly id: string
      readonly submissionId: string
      readonly day: number
      readonly policyDomain: string
      readonly policies: ReadonlyMap<ReportedPolicy, PolicyCounts>
    },
    addresses: readonly string[],
  ): Promise<void> {
    const { journal, blobs, directory, domain, now } = this.#deps
    const { id, submissionId, day, policyDomain } = report
    const contact = `postmaster@${domain}`
    const policies = await Promise.all(
      [...report.policies.values()].map(async (counts) => {
        const lines = await this.#lines(policyDomain, counts)
        return lines ? { ...counts, lines } : counts
      }),
    )
    const input = { reportId: `${id}@${domain}`, day, submitter: domain, contact, policyDomain }
    const raw = composeTlsReport(input, addresses, gzipSync(tlsReport({ ...input, policies })))
    const recipients = await Promise.all(
      addresses.map(async (address) => {
        const local = await directory.resolve(address)
        // A report that cannot be delivered is nobody's trouble (RFC 8460 §5.3).
        return { address, notify: ['never'] as const, ...(local ? { accountId: local.accountId } : {}) }
      }),
    )
    const blob = blobs.stage(raw)
    blob.durable.catch(() => undefined)
    const submission = newSubmission({
      submissionId,
      accountId: 'system',
      messageId: derivedId('sent', submissionId),
      mailFrom: contact,
      recipients,
      blob: blob.ref,
      mail: readMail(raw),
      sendAt: Math.max(now(), (day + 1) * DAY_MS + spread(id)),
    })
    const context = contextOf('system', 'system', { commandId: id, correlationId: submissionId, at: now() })
    await journal.appendAll([{ ...submission, events: toNewEvents(submission.events, 'system', context) }], {
      after: [blob],
    })
  }

  /** The policy as it is published now. */
  async #lines(domain: string, { type, failures }: PolicyCounts): Promise<readonly string[] | undefined> {
    if (type === 'sts') return this.#deps.stsLines?.(domain)
    if (type !== 'tlsa') return undefined
    const hosts = [...new Set([...failures.values()].map(({ host }) => host))].filter((host) => host !== '')
    const lines: string[] = []
    for (const host of hosts.slice(0, MAX_TLSA_HOSTS)) {
      try {
        const { records } = await this.#deps.resolver.resolve(`_25._tcp.${host}`, 'TLSA')
        for (const { usage, selector, matchingType, data } of records)
          lines.push(
            `_25._tcp.${host}. IN TLSA ${usage} ${selector} ${matchingType} ${Buffer.from(data).toString('hex')}`,
          )
      } catch (error) {
        if (!(error instanceof ResolverError)) throw error
      }
    }
    return lines
  }
}

const spread = (id: string): number =>
  [...id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % SPREAD_MS, SETTLE_MS)
