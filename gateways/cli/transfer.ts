// everpost import …, export …: mail from files into a mailbox, and a mailbox into one mbox file.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { contextOf } from '../../commands/context.ts'
import { recordAudit } from '../../commands/record-audit.ts'
import { isRedacted } from '../../domain/log.ts'
import type { MessageRow } from '../../projections/queries.ts'
import { type ImportProgress, ImportRefusal, importMail } from '../import/import-mail.ts'
import type { FromQuoting } from '../import/mbox.ts'
import { NoSuchSource } from '../import/sources.ts'
import { accountNamed, duration, parse, printJson, progressLine, size, words } from './arguments.ts'
import { type CliIo, CliRefusal, type CliServices, CliUsage } from './services.ts'

export async function importVerb(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, {
    folder: { type: 'string' },
    quoting: { type: 'string' },
    json: { type: 'boolean' },
  })
  const [address, ...paths] = positionals
  if (address === undefined) throw new CliUsage('ADDRESS is missing.')
  if (paths.length === 0) throw new CliUsage('PATH is missing: .eml files, folders, mbox files or Maildirs.')
  const quoting = quotingOf(values.quoting)
  const account = await accountNamed(services, address)
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  const showProgress = ({ bytes, totalBytes, imported }: ImportProgress) => {
    const rate = bytes / seconds()
    const left = (totalBytes - bytes) / rate
    io.progress(progressLine('Importing', bytes, totalBytes, `${imported} messages  ${size(rate)}/s`, left))
  }
  const { writer, catchUp, close } = await services.openImport()
  const result = await importMail(
    { journal: services.journal, snapshots: services.mailbox, writer, catchUp },
    {
      account: account.id,
      paths: paths.map((path) => resolve(io.cwd, path)),
      quoting,
      onProgress: showProgress,
      signal: io.signal,
      ...(values.folder === undefined ? {} : { folder: values.folder }),
    },
  )
    .catch((error) => {
      if (error instanceof NoSuchSource || error instanceof ImportRefusal) throw new CliRefusal(error.message)
      throw error
    })
    .finally(close)
  const took = seconds()
  io.progress('All messages are stored; the lists are being brought up to date')
  await services.settle()
  io.progress(null)
  const { imported, known, totalBytes } = result
  if (values.json)
    return printJson(io, {
      address: account.address,
      imported,
      known,
      bytes: totalBytes,
      seconds: took,
      secondsUntilListed: seconds(),
    })
  const doubles = known > 0 ? `, ${known} were there already` : ''
  io.out(`Imported ${imported} messages (${size(totalBytes)}) in ${duration(seconds())}${doubles}.\n`)
}

function quotingOf(text: string | undefined): FromQuoting {
  if (text === undefined || text === 'mboxrd') return 'mboxrd'
  if (text === 'mboxo') return 'mboxo'
  throw new CliUsage(`--quoting is mboxrd or mboxo, not ${text}.`)
}

export async function exportVerb(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { json: { type: 'boolean' } })
  const [address = '', file = ''] = words(positionals, ['ADDRESS', 'FILE.mbox'])
  const account = await accountNamed(services, address)
  const path = resolve(io.cwd, file)
  const partial = `${path}.partial`
  const started = performance.now()
  const { messages: total } = await services.mailbox.usage(account.id)
  const output = createWriteStream(partial)
  const hash = createHash('sha256')
  let done = 0
  try {
    await once(output, 'open')
    for (const folder of await services.mailbox.folders(account.id)) {
      for (let after: string | undefined; ; ) {
        const page = await services.mailbox.messages(account.id, folder.id, {
          first: 200,
          ...(after === undefined ? {} : { after }),
        })
        for (const row of page.rows) {
          io.signal.throwIfAborted()
          const raw = await rawOf(services, row)
          const entry = raw ? mboxEntry(row, raw) : Buffer.alloc(0)
          hash.update(entry)
          if (!output.write(entry)) await once(output, 'drain')
          done++
        }
        const seconds = (performance.now() - started) / 1000
        io.progress(
          progressLine(
            'Exporting',
            done,
            total,
            `${Math.round(done / seconds)} messages/s`,
            ((total - done) * seconds) / done,
          ),
        )
        if (page.next === null) break
        after = page.next
      }
    }
    output.end()
    await once(output, 'finish')
    await rename(partial, path)
  } catch (error) {
    output.destroy()
    await rm(partial, { force: true })
    const { code, message } = error as { code?: string; message: string }
    throw code?.startsWith('E') ? new CliRefusal(`${path} cannot be written: ${message}`) : error
  }
  io.progress(null)
  const data = { accountId: account.id, messages: done, sha256: hash.digest('hex') }
  await recordAudit(services.journal, contextOf('cli', 'cli', { at: services.now() }), { type: 'ExportMade', data })
  if (values.json) return printJson(io, { address: account.address, ...data, file: path })
  io.out(`Exported ${done} messages to ${path}.\n`)
}

/** The exact bytes of a message, undefined when the account was erased meanwhile. */
export async function rawOf(
  services: Pick<CliServices, 'source' | 'blobs'>,
  row: MessageRow,
): Promise<Uint8Array | undefined> {
  const [event] = await services.source.readPositions([row.position])
  if (!event || isRedacted(event)) return undefined
  if (event.type !== 'MessageReceived' && event.type !== 'MessageAppended') return undefined
  return services.blobs.read(event.data.content.blob)
}

/** One message as mboxrd has it: lines that begin with any number of '>' and 'From ' get one more '>'. */
function mboxEntry(row: MessageRow, raw: Uint8Array): Buffer {
  const date = new Date(row.receivedAt)
    .toUTCString()
    .replace(/^(\w+), (\d+) (\w+) (\d+) ([\d:]+) GMT$/, '$1 $3 $2 $5 $4')
  const body = Buffer.from(raw.buffer, raw.byteOffset, raw.length)
    .toString('latin1')
    .replace(/^(>*From )/gm, '>$1')
  const end = body.endsWith('\n') ? '\n' : '\n\n'
  return Buffer.from(
    `From ${row.from[0]?.address.replace(/\s/g, '') || 'MAILER-DAEMON'} ${date}\n${body}${end}`,
    'latin1',
  )
}
