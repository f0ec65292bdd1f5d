// The delivery role: wires the process manager of outgoing mail to the engines and the settings.
import { readMail } from '../domain/mail/read.ts'
import { Delivery } from '../gateways/delivery/delivery.ts'
import { Destinations } from '../gateways/delivery/destinations.ts'
import { DomainSigner } from '../gateways/delivery/dkim.ts'
import { IntakeSweep } from '../gateways/delivery/intake-sweep.ts'
import { httpsPolicy, StsPolicies } from '../gateways/delivery/mta-sts.ts'
import { PublishedPolicies } from '../gateways/delivery/published-policies.ts'
import { IncomingReports } from '../gateways/delivery/reports.ts'
import { TlsReports } from '../gateways/delivery/tls-reports.ts'
import { MailWays } from '../gateways/delivery/ways.ts'
import type { DeliverySettings } from './delivery-settings.ts'
import { type Counters, logLine } from './log-line.ts'
import type { Everpost } from './open-everpost.ts'

export async function startDelivery(everpost: Everpost, counters: Counters): Promise<{ stop(): Promise<void> }> {
  const { config, journal, blobs, projectors, resolver } = everpost
  const settings = config.delivery
  const host = `mail.${config.domain}`
  const sts = new StsPolicies(resolver, httpsPolicy(resolver))
  const ways = new MailWays({
    resolver,
    routes: { ...settings, ownHosts: [host, config.domain] },
    session: { name: host, connectMs: settings.connectSeconds * 1000, replyMs: settings.replySeconds * 1000 },
    policies: new PublishedPolicies(resolver, sts),
  })
  const queue = await everpost.newQueue()
  const { checkpoints } = everpost
  const signer = new DomainSigner({ journal, keyring: everpost.keyring })
  const delivery = Delivery.start({
    journal,
    head: () => journal.head(),
    onChange: (listener) => everpost.onViewed(listener),
    blobs,
    directory: projectors.directory,
    rules: everpost.rules,
    submissions: projectors.submissions,
    queue,
    checkpoints,
    destinations: new Destinations(ways, settings),
    schedule: scheduleOf(settings),
    sign: (mailFrom, head, message) => signer.sign(mailFrom, head, message),
    host,
    domain: config.domain,
    notBefore: (account) => everpost.guard.notBefore(account, Date.now()),
    settled: (account, delivered, bounced) => everpost.guard.settled(account, delivered, bounced, Date.now()),
    now: Date.now,
    log: logLine,
    count: counters.count,
    ...(everpost.tracer ? { tracer: everpost.tracer } : {}),
  })
  counters.gauges.set('delivery_in_work', { help: 'Submissions being sent.', read: () => delivery.inWork })
  const reports = new IncomingReports({
    journal,
    source: journal,
    blobs,
    submissions: projectors.submissions,
    checkpoints,
    log: logLine,
  })
  const tlsReports = new TlsReports({
    journal,
    source: journal,
    blobs,
    directory: projectors.directory,
    resolver,
    checkpoints,
    stsLines: (domain) => sts.lines(domain),
    domain: config.domain,
    now: Date.now,
    log: logLine,
  })
  const sweep = journal.atomic
    ? undefined
    : new IntakeSweep({
        ...{ journal, source: journal, checkpoints, rules: everpost.rules, now: Date.now, log: logLine },
        readMail: async (blob) => readMail(await blobs.read(blob)),
      })
  const stopping = new AbortController()
  const looks: Look[] = []
  const timers: NodeJS.Timeout[] = []
  /** Looks every so often; what fails is said, and left to the next time. Answers how to look at once. */
  const every = (ms: number, look: Look, trouble: string, isDue = () => true): (() => void) => {
    const again = () => {
      if (!isDue()) return
      look(stopping.signal).catch((error) => {
        if (!stopping.signal.aborted) logLine(trouble, { error: String(error) })
      })
    }
    looks.push(look)
    timers.push(setInterval(again, ms).unref())
    return again
  }
  let changed = true
  const stopListening = everpost.onViewed(() => {
    changed = true
  })
  every(REPORTS_MS, reports.look, 'reports wait', () => {
    const due = changed
    changed = false
    return due
  })
  if (sweep) every(SWEEP_MS, sweep.look, 'intake sweep waits')()
  every(TLS_REPORTS_MS, tlsReports.look, 'tls reports wait')()
  return {
    stop: async () => {
      stopListening()
      for (const timer of timers) clearInterval(timer)
      stopping.abort()
      for (const look of looks) await look(stopping.signal).catch(() => undefined)
      await delivery.stop()
      await queue.close()
    },
  }
}

/** One look at the log, up to its end. */
type Look = (signal: AbortSignal) => Promise<unknown>

/** How often mail is looked for that was accepted and not delivered. */
const SWEEP_MS = 30_000
/** A report is no hurry. */
const REPORTS_MS = 10_000
/** How often it is looked whether a day is over. */
const TLS_REPORTS_MS = 15 * 60_000
const HOUR = 3_600_000

export const scheduleOf = (settings: DeliverySettings) => ({
  firstMs: settings.firstRetrySeconds * 1000,
  longestMs: settings.longestRetrySeconds * 1000,
  greylistMs: settings.greylistRetrySeconds * 1000,
  warnMs: settings.warnHours * HOUR,
  giveUpMs: settings.giveUpHours * HOUR,
})
