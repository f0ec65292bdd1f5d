// everpost queue …: mail that has not reached all its recipients.
import { contextOf } from '../../commands/context.ts'
import { changeSubmission } from '../../commands/submit-message.ts'
import { parse, printJson, printTable, words } from './arguments.ts'
import { type CliIo, CliRefusal, type CliServices } from './services.ts'

export async function queueList(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { json: { type: 'boolean' } })
  words(positionals, [])
  const pending = await services.submissions.pendingSubmissions({ first: 1000 })
  if (values.json)
    return printJson(
      io,
      pending.map(({ accountId, row }) => ({ accountId, ...row })),
    )
  if (pending.length === 0) return io.out('Nothing waiting to go out.\n')
  printTable(
    io,
    ['ID', 'FROM', 'TO', 'STATE', 'NEXT TRY', 'LAST ANSWER'],
    pending.flatMap(({ row }) =>
      row.recipients
        .filter(({ state }) => state === 'pending' || state === 'deferred')
        .map(({ address, state, nextAttemptAt, answer }) => [
          row.id,
          row.mailFrom,
          address,
          state,
          new Date(nextAttemptAt ?? row.sendAt).toISOString(),
          answer || 'outbound delivery is not part of this version',
        ]),
    ),
  )
}

export async function queueCancel(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { json: { type: 'boolean' } })
  const [id = ''] = words(positionals, ['ID'])
  const owner = await ownerOf(services, id)
  const cancelled = await changeSubmission(services.journal, contextOf('cli', 'cli', { at: services.now() }), owner, {
    type: 'CancelSend',
    submissionId: id,
  })
  if (!cancelled.ok) throw new CliRefusal(cancelled.refusal.message)
  await services.settle()
  if (values.json) return printJson(io, { id, cancelled: true })
  io.out(`${id} will not be sent.\n`)
}

export async function queueRetry(services: CliServices, argv: readonly string[], _io: CliIo): Promise<void> {
  const { positionals } = parse(argv, { json: { type: 'boolean' } })
  const [id = ''] = words(positionals, ['ID'])
  await ownerOf(services, id)
  throw new CliRefusal('Mail for other servers waits: outbound delivery is not part of this version.')
}

async function ownerOf(services: CliServices, id: string): Promise<string> {
  const pending = await services.submissions.pendingSubmissions({ first: 100_000 })
  const found = pending.find(({ row }) => row.id === id)
  if (!found) throw new CliRefusal(`There is no waiting submission ${id}. See: everpost queue list`)
  return found.accountId
}
