// People with filter rules over a real log, and mail that comes for them.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { type Delivered, deliverByRules } from '../../commands/deliver-by-rules.ts'
import { changeRules, RuleBook } from '../../commands/filter-rules.ts'
import { openAccount } from '../../commands/open-account.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import type { RecordedEvent } from '../../domain/events.ts'
import { accountStream, isRedacted, mailboxStream } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import type { Mailbox } from '../../domain/mailbox/mailbox.ts'
import { eventsOf, FakeDirectory, mailboxOf, openJournal, StaleSnapshots } from '../support/journal.ts'
import { bytes } from './support.ts'

export const AT = Date.UTC(2026, 2, 1, 9, 30)

export const MESSAGE = `From: Theo <theo@example.com>
To: ann@example.test
Subject: Offsite plans
Message-ID: <1@example.com>

Let us meet.
`

type Of<T extends RecordedEvent['type']> = Extract<RecordedEvent, { type: T }>

export async function openRules(t: TestContext, scripts: Readonly<Record<string, string | undefined>>) {
  const parts = await openJournal(t)
  const directory = new FakeDirectory()
  const snapshots = new StaleSnapshots(parts.journal)
  const ids: Record<string, string> = {}
  /** Saves a script, puts it in force, and tells the directory what its view would know. */
  const setRules = async (name: string, script: string) => {
    const id = ids[name] ?? ''
    const saved = await changeRules(parts.journal, contextOf('test', 'cli'), id, {
      type: 'ChangeFilterRules',
      name: 'main',
      script,
    })
    assert.ok(saved.ok, saved.ok ? '' : saved.refusal.message)
    await changeRules(parts.journal, contextOf('test', 'cli'), id, { type: 'ActivateFilterRules', name: 'main' })
    const events = await eventsOf(parts.journal, accountStream(id))
    const revision = events.findLast(({ type }) => type === 'FilterRulesChanged')?.revision ?? 0n
    const address = `${name}@example.test`
    directory.add(id, address, {
      name: name === 'ann' ? 'Ann Kim' : '',
      addresses: [{ address, kind: 'primary' }],
      filterRules: [{ name: 'main', bytes: script.length, revision }],
      activeRules: 'main',
    })
  }
  for (const [name, script] of Object.entries(scripts)) {
    const opened = await openAccount({ ...parts, directory }, contextOf('test', 'cli'), {
      address: `${name}@example.test`,
    })
    assert.ok(opened.ok)
    ids[name] = opened.accountId
    directory.add(opened.accountId, `${name}@example.test`)
    if (script !== undefined) await setRules(name, script)
  }
  const rules = new RuleBook(parts.journal)
  const ports = (journal: Journal) => ({
    ...parts,
    journal,
    directory,
    snapshots,
    rules,
    hostname: 'mail.example.test',
  })

  const deliver = async (
    options: {
      message?: string
      mailFrom?: string
      to?: readonly string[]
      intakeId?: string
      at?: number
      inSession?: boolean
      journal?: Journal
    } = {},
  ): Promise<Delivered> => {
    const raw = bytes(options.message ?? MESSAGE)
    const { ref, durable } = parts.blobs.stage(raw)
    const intakeId = options.intakeId ?? 'intake1'
    const context = contextOf('smtp', 'smtp', { commandId: intakeId, at: options.at ?? AT })
    const recipients = (options.to ?? Object.keys(scripts)).map((name) => ({
      accountId: ids[name.split('+')[0] ?? ''] ?? '',
      address: `${name}@example.test`,
    }))
    return deliverByRules(ports(options.journal ?? parts.journal), context, {
      intakeId,
      mailFrom: options.mailFrom ?? 'theo@example.com',
      recipients,
      blob: ref,
      stored: durable,
      mail: readMail(raw),
      beginning: async () => raw,
      inSession: options.inSession ?? true,
      remoteAddress: '192.0.2.1',
    })
  }
  const all = async <T extends RecordedEvent['type']>(type: T): Promise<readonly Of<T>[]> => {
    const found: Of<T>[] = []
    for await (const batch of parts.store.subscribe()) {
      for (const { position } of batch.events) {
        const [event] = await parts.journal.readPositions([position])
        if (event && !isRedacted(event) && event.type === type) found.push(event as Of<T>)
      }
      if (batch.caughtUp) break
    }
    return found
  }
  const arrivals = async (name: string) => {
    const events = await eventsOf(parts.journal, mailboxStream(ids[name] ?? ''))
    return events.filter(
      (event) => !isRedacted(event) && event.type === 'MessageReceived',
    ) as readonly Of<'MessageReceived'>[]
  }
  const sent = async () =>
    Promise.all(
      (await all('MessageSubmitted')).map(async ({ data }) => ({
        data,
        raw: Buffer.from(await parts.blobs.read(data.blob)).toString(),
      })),
    )
  const listing = async (name: string) => describeMailbox(await mailboxOf(parts.journal, ids[name] ?? ''))
  return { ...parts, directory, snapshots, ids, setRules, deliver, all, arrivals, sent, listing, ports }
}

/** `Work/Plans \seen`, a line for each message. */
function describeMailbox({ folders, messages }: Mailbox): readonly string[] {
  const path = (id: string | null): string => {
    const folder = folders.get(id ?? '')
    if (!folder) return ''
    return folder.parentId === null ? folder.name : `${path(folder.parentId)}/${folder.name}`
  }
  return [...messages.values()].map(({ folderId, flags }) => [path(folderId), ...flags].join(' ')).sort()
}
