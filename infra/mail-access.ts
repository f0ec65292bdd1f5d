// How mail programs reach mailboxes: the listeners of IMAP, POP3 and ManageSieve.
import { DEFAULT_IMAP_LIMITS } from '../gateways/imap/limits.ts'
import { OpenedContents } from '../gateways/imap/opened-contents.ts'
import { Rendered } from '../gateways/imap/respond/rendered.ts'
import { listenImap } from '../gateways/imap/server.ts'
import type { ImapServices } from '../gateways/imap/services.ts'
import { listenManageSieve } from '../gateways/managesieve/server.ts'
import { DEFAULT_MANAGESIEVE_LIMITS } from '../gateways/managesieve/services.ts'
import { listenPop3 } from '../gateways/pop3/server.ts'
import { DEFAULT_POP3_LIMITS, type Locks } from '../gateways/pop3/services.ts'
import type { Listener } from '../gateways/wire/listener.ts'
import type { PortName } from './config.ts'
import { liveMailboxes } from './live-mailboxes.ts'
import { type Counters, logLine } from './log-line.ts'
import type { Everpost } from './open-everpost.ts'
import type { TlsPair } from './tls.ts'

/** Calls `listening` for each listener of the roles that this process has. */
export async function startMailAccess(
  everpost: Everpost,
  counters: Counters,
  tls: TlsPair,
  options: {
    readonly insecureAuth: boolean
    readonly listening: <T>(name: PortName, port: number, listen: () => Promise<T>) => Promise<T>
  },
): Promise<Record<string, Listener>> {
  const { config, projectors } = everpost
  const { live } = liveMailboxes(everpost.journal, projectors)
  const services: ImapServices = {
    journal: everpost.journal,
    source: everpost.journal,
    blobs: everpost.blobs,
    directory: projectors.directory,
    nameHash: (text) => everpost.keyring.nameHash(text),
    snapshots: live,
    mailbox: projectors.mailbox,
    live,
    rendered: new Rendered(),
    contents: new OpenedContents(),
    waitForRevision: (account, revision, wait) => projectors.waitForRevision(account, revision, wait),
    settle: () => everpost.services.settle(),
    substring: async (account, needle, field) => everpost.search.substring?.(account, needle, field),
    now: Date.now,
    sharedState: everpost.sharedState,
    ...(everpost.tracer ? { tracer: everpost.tracer } : {}),
    log: logLine,
    count: counters.count,
  }
  const base = { host: config.host, hostname: `mail.${config.domain}`, tls, insecureAuth: options.insecureAuth }
  const listeners: Record<string, Listener> = {}
  for (const name of ['imap', 'imaps'] as const) {
    const port = config.ports[name]
    if (!config.roles.includes('imap') || port === 'off') continue
    const settings = { ...base, port, implicitTls: name === 'imaps', limits: DEFAULT_IMAP_LIMITS }
    listeners[name] = await options.listening(name, port, () => listenImap(services, settings))
  }
  const locks: Locks = new Set()
  for (const name of ['pop3', 'pop3s'] as const) {
    const port = config.ports[name]
    if (!config.roles.includes('pop3') || port === 'off') continue
    const drop = { sharing: config.pop3.sharing, limits: DEFAULT_POP3_LIMITS, locks }
    const settings = { ...base, ...drop, port, implicitTls: name === 'pop3s' }
    listeners[name] = await options.listening(name, port, () => listenPop3(services, settings))
  }
  const { managesieve } = config.ports
  if (config.roles.includes('imap') && managesieve !== 'off') {
    const settings = { ...base, port: managesieve, limits: DEFAULT_MANAGESIEVE_LIMITS }
    listeners['managesieve'] = await options.listening('managesieve', managesieve, () =>
      listenManageSieve(services, settings),
    )
  }
  return listeners
}
