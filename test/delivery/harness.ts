// Delivery over a real log, with a name server and a clock that a test owns. Nothing here leaves loopback.
import type { TestContext } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { openAccount } from '../../commands/open-account.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import { type MessageToSubmit, submitMessage } from '../../commands/submit-message.ts'
import type { RetrySchedule } from '../../domain/delivery/schedule.ts'
import { isRedacted, mailboxStream, type Position, type Recorded, submissionStream } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import type { MailboxEvent } from '../../domain/mailbox/mailbox.ts'
import type { SubmissionEvent } from '../../domain/submission/submission.ts'
import { Delivery, type DeliveryDependencies } from '../../gateways/delivery/delivery.ts'
import { type DestinationSettings, Destinations } from '../../gateways/delivery/destinations.ts'
import type { RouteSettings } from '../../gateways/delivery/route.ts'
import type { SessionOptions } from '../../gateways/delivery/smtp-session.ts'
import { OPPORTUNISTIC, type TlsPolicies } from '../../gateways/delivery/tls-policy.ts'
import { MailWays } from '../../gateways/delivery/ways.ts'
import { MemoryQueue } from '../../infra/adapters/queue/memory.ts'
import type { DueSubmission } from '../../projections/queries.ts'
import { DnsDouble } from '../support/dns.ts'
import { eventsOf, FakeDirectory, openJournal } from '../support/journal.ts'
import type { Sink } from '../support/smtp-sink.ts'

export type SubmissionRecord = Recorded<SubmissionEvent>

export interface HarnessOptions {
  readonly schedule?: Partial<RetrySchedule>
  readonly settings?: Partial<DestinationSettings>
  readonly session?: Partial<SessionOptions>
  readonly routes?: Partial<RouteSettings>
  readonly policies?: (dns: DnsDouble) => TlsPolicies
  readonly journal?: (journal: Journal) => Journal
  readonly deps?: Partial<DeliveryDependencies>
  readonly dir?: string
}

const SCHEDULE: RetrySchedule = {
  firstMs: 300_000,
  longestMs: 4 * 3_600_000,
  greylistMs: 120_000,
  warnMs: 4 * 3_600_000,
  giveUpMs: 5 * 86_400_000,
}

export const START = Date.parse('2026-03-01T09:00:00Z')

export async function startHarness(t: TestContext, options: HarnessOptions = {}) {
  const parts = await openJournal(t, options.dir)
  const directory = new FakeDirectory()
  const ids: Record<string, string> = {}
  for (const name of ['ann', 'bob']) {
    const address = `${name}@example.test`
    const opened = await openAccount({ ...parts, directory }, contextOf('test', 'cli'), { address })
    if (!opened.ok) throw new Error(opened.refusal.message)
    directory.add(opened.accountId, address)
    ids[name] = opened.accountId
  }
  const dns = new DnsDouble()
  const clock = { now: START }
  const journal = options.journal?.(parts.journal) ?? parts.journal
  const due: DueSubmission[] = []
  const logged: string[] = []
  const positions = new Map<string, Position>()
  const running: { stop(): Promise<void> }[] = []
  let port = 25

  /** What the view of submissions would say, from the log itself. */
  const newSubmissions = async ({ after }: { after: Position }): Promise<readonly DueSubmission[]> => {
    const found: DueSubmission[] = []
    for await (const batch of parts.journal.subscribe({ after, prefixes: ['submission-'] })) {
      for (const event of batch.events) {
        if (isRedacted(event) || event.type !== 'MessageSubmitted') continue
        found.push({ id: event.data.submissionId, dueAt: event.data.sendAt, position: event.position })
      }
      if (batch.caughtUp) break
    }
    return found
  }
  const onChange = (listener: () => void) => {
    const stop = new AbortController()
    const follow = async () => {
      for await (const _ of parts.journal.subscribe({ prefixes: ['submission-'], signal: stop.signal })) listener()
    }
    follow().catch(() => undefined)
    return () => stop.abort()
  }

  const start = () => {
    const now = () => clock.now
    const queue = new MemoryQueue({ now })
    const ways = new MailWays(
      {
        resolver: dns,
        routes: { port, ownHosts: ['mail.example.test'], ...options.routes },
        session: { name: 'mail.example.test', connectMs: 1_000, replyMs: 2_000, ...options.session },
        policies: options.policies?.(dns) ?? OPPORTUNISTIC,
      },
      now,
    )
    const destinations = new Destinations(
      ways,
      { connections: 50, connectionsPerDestination: 5, ratePerDestination: 0, ...options.settings },
      now,
    )
    const delivery = Delivery.start({
      journal,
      head: () => parts.journal.head(),
      onChange,
      blobs: parts.blobs,
      directory,
      submissions: { dueSubmissions: async ({ after }) => (after ? [] : due), newSubmissions },
      queue,
      checkpoints: {
        load: async (name) => positions.get(name),
        save: async (name, position) => void positions.set(name, position),
      },
      destinations,
      schedule: { ...SCHEDULE, ...options.schedule },
      host: 'mail.example.test',
      domain: 'example.test',
      now,
      log: (event, facts) => logged.push(`${event} ${JSON.stringify(facts)}`),
      count: () => undefined,
      ...options.deps,
    })
    const stop = async () => {
      await delivery.stop()
      await queue.close()
    }
    running.push({ stop })
    return { delivery, destinations, queue, stop }
  }
  t.after(async () => {
    for (const each of running) await each.stop()
  })

  /** Domains whose mail goes to a sink, by an exchanger of their own name. */
  const lead = (sink: Sink, ...domains: readonly string[]) => {
    port = sink.port
    for (const domain of domains) {
      dns.set(domain, { MX: [{ preference: 10, exchange: `mx.${domain}` }] })
      dns.set(`mx.${domain}`, { A: [sink.host] })
    }
  }

  const submit = async (
    recipients: MessageToSubmit['recipients'],
    more: Partial<MessageToSubmit> & { raw?: string } = {},
  ) => {
    const { raw: text, ...rest } = more
    const raw = Buffer.from(
      text ??
        'From: ann@example.test\r\nTo: someone@elsewhere.test\r\nSubject: Hello\r\nMessage-ID: <m1@example.test>\r\n\r\nHello there.\r\n.dot\r\n',
    )
    const blob = await parts.blobs.put(raw)
    const outcome = await submitMessage(
      { journal: parts.journal, directory },
      contextOf(ids['ann'] ?? '', 'submission', { at: clock.now }),
      { accountId: ids['ann'] ?? '', mailFrom: 'ann@example.test', recipients, blob, mail: readMail(raw), ...rest },
    )
    if (!outcome.ok) throw new Error(outcome.refusal.message)
    return outcome.submissionId
  }

  const events = async (submissionId: string): Promise<readonly SubmissionRecord[]> =>
    (await eventsOf(parts.journal, submissionStream(submissionId))) as readonly SubmissionRecord[]

  /** Waits until the stream of a submission has an event like this. */
  const until = async <T extends SubmissionEvent['type']>(
    submissionId: string,
    type: T,
    count = 1,
  ): Promise<Extract<SubmissionRecord, { type: T }>> => {
    const found: SubmissionRecord[] = []
    const stop = new AbortController()
    const options = { prefixes: [submissionStream(submissionId)], signal: stop.signal }
    for await (const batch of parts.journal.subscribe(options)) {
      for (const event of batch.events) {
        if (!isRedacted(event) && event.type === type) found.push(event as SubmissionRecord)
      }
      if (found.length >= count) break
    }
    stop.abort()
    return found[count - 1] as Extract<SubmissionRecord, { type: T }>
  }

  const inbox = async (name: string) => {
    const all: { raw: string; event: Extract<Recorded<MailboxEvent>, { type: 'MessageReceived' }> }[] = []
    for (const event of await eventsOf(parts.journal, mailboxStream(ids[name] ?? ''))) {
      if (isRedacted(event) || event.type !== 'MessageReceived') continue
      all.push({ event, raw: Buffer.from(await parts.blobs.read(event.data.content.blob)).toString() })
    }
    return all
  }

  /** Moves the clock on, and wakes what sleeps by it. */
  const pass = async (ms: number, woken?: { queue: MemoryQueue }) => {
    clock.now += ms
    await woken?.queue.enqueue('nothing', clock.now)
  }

  return {
    ...parts,
    directory,
    ids,
    dns,
    clock,
    due,
    logged,
    positions,
    start,
    lead,
    submit,
    events,
    until,
    inbox,
    pass,
    setPort: (value: number) => void (port = value),
  }
}
