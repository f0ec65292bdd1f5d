// everpost serve: opens the engines, starts the listeners of the chosen roles, says where they are, stops cleanly.
import { join } from 'node:path'
import { finishErasures } from '../commands/change-account.ts'
import { contextOf } from '../commands/context.ts'
import { deliverByRules } from '../commands/deliver-by-rules.ts'
import { openAccount } from '../commands/open-account.ts'
import { mailboxStream } from '../domain/log.ts'
import { findVerb, runsAlone } from '../gateways/cli/find-verb.ts'
import { runAlone, runVerb } from '../gateways/cli/run.ts'
import type { CliIo } from '../gateways/cli/services.ts'
import {
  DEFAULT_SMTP_LIMITS,
  listenSmtp,
  type SmtpDependencies,
  type SmtpListener,
  type SmtpSettings,
} from '../gateways/smtp/server.ts'
import type { Metric } from '../gateways/web/dependencies.ts'
import { createWebGateway, type WebGateway } from '../gateways/web/gateway.ts'
import { Histogram } from '../gateways/web/histogram.ts'
import type { OperationsDependencies } from '../gateways/web/metrics.ts'
import { createOperationsGateway } from '../gateways/web/operations.ts'
import { startDailyHead } from './audit/daily-head.ts'
import { VERIFY_TOOLS } from './audit/verify-tools.ts'
import { type Config, dataPaths } from './config.ts'
import { type ControlReply, type ControlRequest, MAX_SOCKET_PATH, serveControl } from './control-socket.ts'
import { Counters, logLine } from './log-line.ts'
import { startMailAccess } from './mail-access.ts'
import { type Everpost, type OpenOptions, openEverpost } from './open-everpost.ts'
import { protectionOf } from './protection.ts'
import { startDelivery } from './start-delivery.ts'
import { loadTls } from './tls.ts'

export interface RunningServer {
  readonly everpost: Everpost
  readonly web: WebGateway | undefined
  /** Ports in use, by name. */
  readonly ports: Readonly<Record<string, number>>
  /** Resolves once erasures that a crash interrupted are finished. */
  readonly erasuresFinished: Promise<void>
  /** The web app's address. */
  readonly url: string | undefined
  stop(): Promise<void>
}

const WEB_ROOT = join(import.meta.dirname, '..', 'apps', 'web', 'dist')

export async function startServer(config: Config, options: Pick<OpenOptions, 'onMoved'> = {}): Promise<RunningServer> {
  const everpost = await openEverpost(config, options)
  const counters = new Counters()
  const stops: (() => unknown)[] = [() => everpost.close()]
  const stop = async () => {
    for (const part of stops.splice(0).toReversed()) await part()
  }
  try {
    const ports: Record<string, number> = {}
    const smtp = await startSmtp(everpost, counters)
    for (const [name, listener] of Object.entries(smtp)) {
      ports[name] = listener.port
      stops.push(() => listener.close())
    }
    const access = await startMailAccess(everpost, counters, await loadTls(config, dataPaths(config.data).tls), {
      insecureAuth: config.insecureLoopbackAuth && isLoopback(config.host),
      listening,
    })
    for (const [name, listener] of Object.entries(access)) {
      ports[name] = listener.port
      stops.push(() => listener.close())
    }
    const web = await startWeb(everpost, counters)
    if (web) {
      ports['http'] = web.port
      stops.push(() => web.gateway.close())
    } else if (config.ports.http !== 'off') {
      const { http } = config.ports
      const operations = createOperationsGateway(operationsOf(everpost, counters))
      ports['http'] = await listening('http', http, () => operations.listen({ host: config.host, port: http }))
      stops.push(() => operations.close())
    }
    if (config.roles.includes('delivery')) {
      const delivery = await startDelivery(everpost, counters)
      stops.push(() => delivery.stop())
    }
    const keepsLog = config.roles.includes('projector')
    if (keepsLog) {
      const dailyHead = startDailyHead(everpost.audit, {
        onSigned: (size) => logLine('tree head signed', { size }),
        onError: (error) => logLine('no tree head signed', { error: String(error) }),
      })
      stops.push(() => dailyHead.stop())
    }
    const { control } = dataPaths(config.data)
    if (control.length <= MAX_SOCKET_PATH) {
      const socket = await serveControl(control, (request, reply, signal) =>
        runForClient(everpost, request, reply, signal),
      )
      stops.push(() => new Promise((resolve) => socket.close(resolve)))
    } else {
      logLine('no control socket', {
        reason: `the path of the data folder is too long: the command line cannot reach this server`,
        control,
      })
    }
    const erasuresFinished = keepsLog ? sweepErasures(everpost) : Promise.resolve()
    const url =
      web && (config.publicUrl ?? `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${web.port}`)
    return { everpost, web: web?.gateway, ports, url, erasuresFinished, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startSmtp(everpost: Everpost, counters: Counters): Promise<Record<string, SmtpListener>> {
  const { config, projectors } = everpost
  const deps: SmtpDependencies = {
    journal: everpost.journal,
    blobs: everpost.blobs,
    guard: everpost.guard,
    rules: everpost.rules,
    directory: projectors.directory,
    snapshots: projectors.mailbox,
    now: Date.now,
    log: logLine,
    count: counters.count,
    ...(everpost.tracer ? { tracer: everpost.tracer } : {}),
    sharedState: everpost.sharedState,
    deliver: (context, incoming) => deliverByRules(everpost.rules, context, incoming),
  }
  const { policy, protection } = protectionOf(config.filter, {
    filter: projectors.filter,
    features: everpost.features,
    resolver: everpost.resolver,
    cache: everpost.cache,
    sharedState: everpost.sharedState,
    log: logLine,
  })
  const tls = await loadTls(config, dataPaths(config.data).tls)
  const base = {
    host: config.host,
    hostname: `mail.${config.domain}`,
    tls,
    insecureAuth: config.insecureLoopbackAuth && isLoopback(config.host),
    limits: DEFAULT_SMTP_LIMITS,
  }
  const wanted: readonly [string, boolean, number | 'off', Pick<SmtpSettings, 'kind' | 'implicitTls'>][] = [
    ['smtp', config.roles.includes('smtp'), config.ports.smtp, { kind: 'mx', implicitTls: false }],
    [
      'submission',
      config.roles.includes('submission'),
      config.ports.submission,
      { kind: 'submission', implicitTls: false },
    ],
    [
      'submissions',
      config.roles.includes('submission'),
      config.ports.submissions,
      { kind: 'submission', implicitTls: true },
    ],
  ]
  const listeners: Record<string, SmtpListener> = {}
  for (const [name, inRole, port, kind] of wanted) {
    if (!inRole || port === 'off') continue
    listeners[name] = await listening(name, port, () =>
      listenSmtp({ ...deps, policy, protection }, { ...base, ...kind, port }),
    )
  }
  return listeners
}

async function startWeb(
  everpost: Everpost,
  counters: Counters,
): Promise<{ gateway: WebGateway; port: number } | undefined> {
  const { config, projectors, keyring, services } = everpost
  const { http } = config.ports
  if (!config.roles.includes('web') || http === 'off') return undefined
  const pushed = new Histogram('everpost_push_seconds', 'Time from an event to the end of its push to a client.')
  const operations = operationsOf(everpost, counters)
  const gateway = await createWebGateway({
    config: {
      domain: config.domain,
      webRoot: WEB_ROOT,
      publicUrl: config.publicUrl,
      undoSendSeconds: config.undoSendSeconds,
      secureCookies: config.publicUrl?.startsWith('https:') ?? false,
    },
    journal: everpost.journal,
    blobs: everpost.blobs,
    guard: everpost.guard,
    rules: everpost.rules,
    secrets: { sessionKey: keyring.derive('session'), linkKey: keyring.derive('link') },
    views: projectors,
    waitForRevision: (account, revision, options) => projectors.waitForRevision(account, revision, options),
    waitForPosition: (position, options) => projectors.waitForPosition(position, options),
    waitForSearch: (account, revision, options) => waitForSearch(everpost, account, revision, options),
    onApplied: (listener) => projectors.onApplied(listener),
    search: (account, query, options) => everpost.search.search(account, query, options),
    mailboxAt: (account, time) => services.mailboxAt(account, { time }),
    ...operations,
    histograms: [...(operations.histograms ?? []), pushed],
    pushed,
    ...(everpost.tracer ? { tracer: everpost.tracer } : {}),
    cache: everpost.cache,
    sharedState: everpost.sharedState,
    onError: (error, about) =>
      logLine('request failed', { ...about, error: error instanceof Error ? error.message : String(error) }),
  })
  const port = await listening('http', http, () => gateway.listen({ host: config.host, port: http }))
  return { gateway, port }
}

function operationsOf({ services, journal, appended, tracer }: Everpost, counters: Counters): OperationsDependencies {
  return {
    source: journal,
    projections: services.projectionStatus as OperationsDependencies['projections'],
    histograms: [appended],
    metrics: () => [
      ...counters.entries().map(
        ([name, value]): Metric => ({
          name: `everpost_${name}_total`,
          help: name.replaceAll('_', ' '),
          type: 'counter',
          value,
        }),
      ),
      ...[...counters.gauges].map(
        ([name, { help, read }]): Metric => ({ name: `everpost_${name}`, help, type: 'gauge', value: read() }),
      ),
      ...(tracer ? [{ ...DROPPED, value: tracer.dropped }] : []),
    ],
  }
}

const DROPPED = {
  name: 'everpost_trace_spans_dropped_total',
  help: 'Spans that did not reach the collector.',
  type: 'counter',
} as const

/** The index knows positions of the log; an account knows revisions of its stream. */
async function waitForSearch(
  { journal, search }: Everpost,
  account: string,
  revision: bigint,
  options?: { readonly timeoutMs?: number },
): Promise<void> {
  for await (const { position } of journal.readStream(mailboxStream(account), { from: revision, limit: 1 })) {
    await search.waitForPosition(position, options)
  }
}

/** Once the views have caught up: what an erasure that was interrupted left undone. */
async function sweepErasures({ projectors, keyring, services }: Everpost): Promise<void> {
  try {
    await projectors.ready()
    for (const account of await finishErasures(keyring, await projectors.directory.erasedAccounts())) {
      services.forgetKey(account)
      logLine('erasure finished', { account })
    }
  } catch (error) {
    logLine('erasures not looked at', { error: String(error) })
  }
}

/** A port that is taken stops the start with the setting to change. */
async function listening<T>(name: string, port: number, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen()
  } catch (error) {
    const { code } = error as { code?: string }
    const variable = `EVERPOST_${name.toUpperCase()}_PORT`
    if (code === 'EADDRINUSE')
      throw new Error(
        `Port ${port} for ${name} is taken: stop what uses it, or set ${variable} (0 takes any free port)`,
      )
    if (code === 'EACCES')
      throw new Error(`Port ${port} for ${name} may not be opened by this user: choose one above 1023 with ${variable}`)
    throw error
  }
}

/** A verb that a caller's process sent over the control socket. */
async function runForClient(
  everpost: Everpost,
  request: ControlRequest,
  reply: (message: ControlReply) => void,
  signal: AbortSignal,
): Promise<number> {
  const verb = findVerb(request.argv)
  if (!verb) return 2
  const io: CliIo = {
    out: (text) => reply({ out: text }),
    err: (text) => reply({ err: text }),
    progress: (line) => reply({ progress: line }),
    stdin: async () => request.stdin ?? '',
    cwd: request.cwd,
    columns: request.columns ?? 80,
    signal,
  }
  if (runsAlone(verb.name, verb.rest)) return runAlone(VERIFY_TOOLS, verb.name, verb.rest, io)
  return runVerb(everpost.services, verb.name, verb.rest, io)
}

/** Opens the administrator's account on the first start and answers its address and the one-time link; undefined later on. */
export async function firstSignIn(
  server: RunningServer,
): Promise<{ readonly address: string; readonly link: string } | undefined> {
  const { services, config } = server.everpost
  const { web, url } = server
  if (!web || !url) return undefined
  const accounts = await services.directory.accounts()
  if (accounts.length === 0) {
    await openAccount(services, contextOf('system', 'system'), {
      address: `admin@${config.domain}`,
      name: 'Administrator',
      role: 'admin',
    })
    await services.settle()
  }
  const [first] = await services.directory.accounts()
  // Until its password is set the link is shown at every start.
  if (!first || first.passwordHash !== undefined) return undefined
  return { address: first.address, link: `${url}/welcome?token=${await web.createWelcomeToken(first.id)}` }
}

const isLoopback = (host: string): boolean => host === '::1' || host === 'localhost' || host.startsWith('127.')
