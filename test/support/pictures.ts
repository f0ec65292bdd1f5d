// A mailbox that is filled by the command line, and all that its views and blobs say of it.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { contextOf } from '../../commands/context.ts'
import { openAccount } from '../../commands/open-account.ts'
import { runVerb } from '../../gateways/cli/run.ts'
import type { CliIo } from '../../gateways/cli/services.ts'
import type { Everpost } from '../../infra/open-everpost.ts'

export function terminal(cwd: string) {
  const said = { out: '', err: '' }
  const io: CliIo = {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    progress: () => undefined,
    stdin: async () => '',
    cwd,
    columns: 80,
    signal: new AbortController().signal,
  }
  return { said, io }
}

export async function bring(
  everpost: Everpost,
  cwd: string,
  address: string,
  subjects: readonly string[],
): Promise<void> {
  mkdirSync(join(cwd, 'mail'), { recursive: true })
  for (const [i, subject] of subjects.entries())
    writeFileSync(
      join(cwd, 'mail', `${subject}-${i}.eml`),
      `From: a@b.test\r\nTo: ${address}\r\nSubject: ${subject}\r\nMessage-ID: <${subject}.${i}@b.test>\r\n\r\n${subject} `.repeat(
        3,
      ),
    )
  const { io, said } = terminal(cwd)
  assert.equal(await runVerb(everpost.services, 'import', [address, 'mail'], io), 0, said.err)
}

export async function person(everpost: Everpost, address: string): Promise<string> {
  const opened = await openAccount(everpost.services, contextOf('test', 'cli'), { address })
  assert.ok(opened.ok)
  await everpost.services.settle()
  return opened.accountId
}

/** What every view says of an account, and every raw byte. */
export async function picture(everpost: Everpost, account: string): Promise<unknown> {
  await everpost.services.settle()
  const { mailbox } = everpost.projectors
  const folders = await mailbox.folders(account)
  const messages = []
  for (const { id } of folders)
    for (const { position: _, threadId, ...row } of (await mailbox.messages(account, id, { first: 500 })).rows)
      messages.push({ ...row, threadId })
  const raws = []
  for await (const event of everpost.journal.readStream(`mailbox-${account}`))
    if (!('redacted' in event) && event.type === 'MessageAppended')
      raws.push(Buffer.from(await everpost.blobs.read(event.data.content.blob)).toString())
  return { folders, messages, raws }
}
