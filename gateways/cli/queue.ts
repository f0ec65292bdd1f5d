// everpost queue …: mail that has not reached all its recipients.
import { contextOf } from '../../commands/context.ts'
import { changeSubmission } from '../../commands/submit-message.ts'
import type { SubmissionCommand } from '../../domain/submission/submission.ts'
import { parse, printJson, printTable, words } from './arguments.ts'
import { type CliIo, CliRefusal, type CliServices } from './services.ts'

/** Submissions that are shown at most. */
const SHOWN = 1_000

export async function queueList(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { json: { type: 'boolean' } })
  words(positionals, [])
  await services.settle()
  const pending = await services.submissions.pendingSubmissions({ first: SHOWN })
  if (values.json)
    return printJson(
      io,
      pending.map(({ accountId, row }) => ({ accountId, ...row })),
    )
  if (pending.length === 0) return io.out('Nothing waiting to go out.\n')
  printTable(
    io,
    ['ID', 'FROM', 'TO', 'STATE', 'TRIES', 'NEXT TRY', 'LAST ANSWER'],
    pending.flatMap(({ row }) =>
      row.recipients
        .filter(({ state }) => state === 'pending' || state === 'deferred')
        .map(({ address, state, attempts, nextAttemptAt, answer, remote }) => [
          row.id,
          row.mailFrom || '<>',
          address,
          state,
          `${attempts}`,
          new Date(nextAttemptAt ?? row.sendAt).toISOString(),
          answer === '' ? '' : remote === null ? answer : `${remote}: ${answer}`,
        ]),
    ),
  )
  if (pending.length === SHOWN) io.out(`Only the oldest ${SHOWN} are shown.\n`)
}

export async function queueCancel(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { json: { type: 'boolean' } })
  const [id = ''] = words(positionals, ['ID'])
  await change(services, id, { type: 'CancelSend', submissionId: id, rest: true })
  if (values.json) return printJson(io, { id, cancelled: true })
  io.out(`${id} will not be sent to those who wait.\n`)
}

export async function queueRetry(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { json: { type: 'boolean' } })
  const [id = ''] = words(positionals, ['ID'])
  await change(services, id, { type: 'RequestRetry', submissionId: id })
  if (values.json) return printJson(io, { id, retrying: true })
  io.out(`${id} is tried again now. See: everpost queue list\n`)
}

async function change(
  services: CliServices,
  id: string,
  command: Extract<SubmissionCommand, { type: 'CancelSend' | 'RequestRetry' }>,
): Promise<void> {
  await services.settle()
  const found = await services.submissions.pendingSubmission(id)
  if (!found) throw new CliRefusal(`There is no waiting submission ${id}. See: everpost queue list`)
  const context = contextOf('cli', 'cli', { at: services.now() })
  const changed = await changeSubmission(services.journal, context, found.accountId, command)
  if (!changed.ok) throw new CliRefusal(changed.refusal.message)
  await services.settle()
}
