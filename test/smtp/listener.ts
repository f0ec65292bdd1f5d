// A listener over a real log with people who are known without any view.

import { argon2Sync } from 'node:crypto'
import type { TestContext } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { openAccount } from '../../commands/open-account.ts'
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import { isRedacted, mailboxStream, type Recorded } from '../../domain/log.ts'
import type { MailboxEvent } from '../../domain/mailbox/mailbox.ts'
import type { ConnectionPolicy } from '../../gateways/smtp/connection-policy.ts'
import type { InboundProtection } from '../../gateways/smtp/receive.ts'
import { DEFAULT_SMTP_LIMITS, listenSmtp, type SmtpLimits, type SmtpSettings } from '../../gateways/smtp/server.ts'
import { loadConfig } from '../../infra/config.ts'
import { loadTls } from '../../infra/tls.ts'
import { eventsOf, FakeDirectory, openJournal } from '../support/journal.ts'

export const PASSWORD = 'correct horse'
const salt = Buffer.alloc(16, 1)
const tag = argon2Sync('argon2id', {
  message: PASSWORD,
  nonce: salt,
  parallelism: 1,
  tagLength: 32,
  memory: 64,
  passes: 1,
})
const bare = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replace(/=+$/, '')
/** Weak on purpose: tests hash often. */
export const HASH = `$argon2id$v=19$m=64,t=1,p=1$${bare(salt)}$${bare(tag)}`

export interface Arrived {
  readonly raw: Buffer
  readonly event: Extract<Recorded<MailboxEvent>, { type: 'MessageReceived' }>
}

export async function startSmtp(
  t: TestContext,
  options: {
    readonly kind?: SmtpSettings['kind']
    readonly implicitTls?: boolean
    readonly insecureAuth?: boolean
    /** '0.0.0.0' is not trusted as a loopback listener is. */
    readonly host?: string
    readonly limits?: Partial<SmtpLimits>
    readonly people?: readonly string[]
    readonly journal?: (journal: Journal) => Journal
    readonly blobs?: (blobs: MessageBlobs) => MessageBlobs
    readonly now?: () => number
    readonly protection?: InboundProtection
    readonly policy?: ConnectionPolicy
  } = {},
) {
  const parts = await openJournal(t)
  const directory = new FakeDirectory()
  const ids: Record<string, string> = {}
  for (const name of options.people ?? ['ann', 'bob']) {
    const address = `${name}@example.test`
    const opened = await openAccount({ ...parts, directory }, contextOf('test', 'cli'), { address })
    if (!opened.ok) throw new Error(opened.refusal.message)
    directory.add(opened.accountId, address, { passwordHash: HASH })
    ids[name] = opened.accountId
  }
  const logged: string[] = []
  const usage = { bytes: 0 }
  const listener = await listenSmtp(
    {
      journal: options.journal?.(parts.journal) ?? parts.journal,
      blobs: options.blobs?.(parts.blobs) ?? parts.blobs,
      directory,
      snapshots: {
        snapshot: async () => ({ revision: undefined, folders: [], messages: [] }),
        usage: async () => ({ messages: 0, bytes: usage.bytes }),
      },
      now: options.now ?? Date.now,
      log: (event, facts) => logged.push(`${event} ${JSON.stringify(facts)}`),
      count: () => undefined,
      ...(options.protection ? { protection: options.protection } : {}),
      ...(options.policy ? { policy: options.policy } : {}),
    },
    {
      kind: options.kind ?? 'mx',
      host: options.host ?? '127.0.0.1',
      port: 0,
      hostname: 'mail.example.test',
      implicitTls: options.implicitTls ?? false,
      insecureAuth: options.insecureAuth ?? false,
      tls: await loadTls(loadConfig({ data: parts.dir }, {}, parts.dir), parts.dir),
      limits: { ...DEFAULT_SMTP_LIMITS, ...options.limits },
    },
  )
  t.after(() => listener.close())
  const arrived = async (name: string): Promise<readonly Arrived[]> => {
    const all: Arrived[] = []
    for (const event of await eventsOf(parts.journal, mailboxStream(ids[name] ?? ''))) {
      if (isRedacted(event) || event.type !== 'MessageReceived') continue
      all.push({ event, raw: Buffer.from(await parts.blobs.read(event.data.content.blob)) })
    }
    return all
  }
  return { ...parts, directory, ids, listener, port: listener.port, logged, usage, arrived }
}
