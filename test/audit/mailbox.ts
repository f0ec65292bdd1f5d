// A data folder with one person's mail and a signed head, copied for every test that harms it; verbs as the command line runs them.
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { contextOf } from '../../commands/context.ts'
import { newId } from '../../commands/identity.ts'
import { openAccount } from '../../commands/open-account.ts'
import { receiveMail } from '../../commands/receive-mail.ts'
import { composeMail } from '../../domain/mail/compose.ts'
import { readMail } from '../../domain/mail/read.ts'
import { runVerb } from '../../gateways/cli/run.ts'
import { dataPaths, loadConfig } from '../../infra/config.ts'
import { type Everpost, openEverpost } from '../../infra/open-everpost.ts'

export const ADDRESS = 'kim@example.test'

export const openOn = (data: string): Promise<Everpost> => openEverpost(loadConfig({ data }, {}, data))

export async function openPerson(everpost: Everpost, address = ADDRESS): Promise<string> {
  const opened = await openAccount(everpost.services, contextOf('system', 'system'), { address, name: 'Kim' })
  if (!opened.ok) throw new Error(opened.refusal.message)
  return opened.accountId
}

export async function deliver(everpost: Everpost, accountId: string, count: number, first = 0): Promise<void> {
  for (let i = first; i < first + count; i++) {
    const raw = composeMail({
      from: { name: 'Ada', address: 'ada@elsewhere.example' },
      to: [{ address: ADDRESS }],
      subject: `Number ${i}`,
      text: `The text of message ${i}.`,
      messageId: `${i}@elsewhere.example`,
      date: 1_700_000_000_000 + i * 1000,
    })
    await receiveMail(everpost.journal, contextOf('smtp', 'smtp', { at: 1_700_000_000_000 + i * 1000 }), {
      intakeId: newId(),
      mailFrom: 'ada@elsewhere.example',
      recipients: [{ accountId, address: ADDRESS }],
      blob: await everpost.blobs.put(raw),
      mail: readMail(raw),
    })
  }
  await everpost.services.settle()
}

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  json(): any
}

export async function verb(everpost: Everpost, name: string, argv: readonly string[], cwd: string): Promise<Ran> {
  let out = ''
  let err = ''
  const code = await runVerb(everpost.services, name, argv, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    progress: () => {},
    stdin: async () => '',
    cwd,
    columns: 80,
    signal: new AbortController().signal,
  })
  return { code, out, err, json: () => JSON.parse(out) }
}

/** A copy of a stopped folder with its log changed by hand. */
export function harmed(from: string, to: string, harm: (log: DatabaseSync) => void): string {
  mkdirSync(to, { recursive: true })
  cpSync(from, to, { recursive: true })
  rmSync(dataPaths(to).control, { force: true })
  const log = new DatabaseSync(dataPaths(to).log)
  harm(log)
  log.close()
  return to
}

export const forgetTree = (data: string): void => {
  for (const file of ['tree.json', 'tree-1.sqlite', 'tree-1.sqlite-wal', 'tree-1.sqlite-shm'])
    rmSync(join(data, 'views', file), { force: true })
}
