// everpost quarantine …: mail that the filters hold, for administrators.
import { contextOf } from '../../commands/context.ts'
import { dropQuarantined, releaseQuarantined } from '../../commands/quarantine-mail.ts'
import { mainReason } from '../../domain/filter/verdict.ts'
import type { QuarantineRow } from '../../projections/queries.ts'
import { readStored } from '../quarantine/read-stored.ts'
import { accountNamed, parse, printJson, printTable, words } from './arguments.ts'
import { type CliIo, CliRefusal, type CliServices } from './services.ts'

const MOST = 1000

export async function quarantineList(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { json: { type: 'boolean' } })
  const [address] = positionals.length > 0 ? words(positionals, ['ADDRESS']) : []
  const account = address === undefined ? undefined : await accountNamed(services, address)
  const rows =
    account === undefined
      ? await services.filter.allQuarantined({ first: MOST })
      : await services.filter.quarantine(account.id, { first: MOST })
  if (values.json) return printJson(io, rows.map(lineOf))
  if (rows.length === 0) return io.out('Nothing is held.\n')
  printTable(
    io,
    ['ID', 'HELD SINCE', 'FOR', 'FROM', 'SUBJECT', 'WHY'],
    rows.map(({ intakeId, receivedAt, section }) => [
      intakeId,
      new Date(receivedAt).toISOString(),
      section.recipient,
      section.from || section.mailFrom,
      section.subject,
      mainReason(section.verdict),
    ]),
  )
}

function lineOf({ intakeId, accountId, receivedAt, size, section }: QuarantineRow) {
  const { recipient, from, mailFrom, subject, verdict } = section
  return {
    id: intakeId,
    accountId,
    receivedAt: new Date(receivedAt).toISOString(),
    size,
    recipient,
    from,
    mailFrom,
    subject,
    verdict,
  }
}

export async function quarantineRelease(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, row } = await named(services, argv)
  const ports = { journal: services.journal, readMail: readStored(services.blobs) }
  const context = contextOf('cli', 'cli', { at: services.now() })
  const outcome = await releaseQuarantined(ports, context, row, { administrator: true })
  if (!outcome.ok) throw new CliRefusal(outcome.refusal.message)
  await services.settle()
  if (values.json) return printJson(io, { id: row.intakeId, messageId: outcome.messageId })
  io.out(`${row.intakeId} was delivered to ${row.section.recipient}.\n`)
}

export async function quarantineDrop(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, row } = await named(services, argv)
  const outcome = await dropQuarantined(services.journal, contextOf('cli', 'cli', { at: services.now() }), row)
  if (!outcome.ok) throw new CliRefusal(outcome.refusal.message)
  await services.settle()
  if (values.json) return printJson(io, { id: row.intakeId, dropped: true })
  io.out(`${row.intakeId} is given up.\n`)
}

async function named(services: CliServices, argv: readonly string[]) {
  const { values, positionals } = parse(argv, { json: { type: 'boolean' } })
  const [address = '', id = ''] = words(positionals, ['ADDRESS', 'ID'])
  const account = await accountNamed(services, address)
  const row = await services.filter.quarantined(account.id, id)
  if (!row) throw new CliRefusal(`Nothing is held for ${address} under ${id}. See: everpost quarantine list`)
  return { values, row }
}
