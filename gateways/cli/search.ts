// everpost search …: the search of the web app, on the command line.
import type { MessageRow } from '../../projections/queries.ts'
import type { Segment } from '../../projections/search/search.ts'
import { accountNamed, parse, printJson, printTable, words } from './arguments.ts'
import { listed } from './audit.ts'
import { type CliIo, type CliServices, CliUsage } from './services.ts'

export async function searchVerb(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { first: { type: 'string' }, json: { type: 'boolean' } })
  const [address = '', query = ''] = words(positionals, ['ADDRESS', 'QUERY'])
  const first = Number(values.first ?? 20)
  if (!Number.isInteger(first) || first < 1 || first > 250) throw new CliUsage('--first is a number from 1 to 250.')
  const account = await accountNamed(services, address)
  const result = await services.search(account.id, query, { first })
  const rows = new Map<string, MessageRow>()
  const ids = result.hits.map(({ messageId }) => messageId)
  for (const row of await services.mailbox.messagesById(account.id, ids)) rows.set(row.id, row)
  const found = result.hits.flatMap((hit) => {
    const row = rows.get(hit.messageId)
    return row ? [{ hit, row }] : []
  })
  if (values.json)
    return printJson(
      io,
      found.map(({ hit, row }) => ({ ...listed(row), score: hit.score, match: text(hit.snippet) })),
    )
  for (const warning of result.warnings) io.err(`${warning}\n`)
  if (found.length === 0) return io.out('Nothing matches.\n')
  printTable(
    io,
    ['RECEIVED', 'FROM', 'SUBJECT', 'MATCH'],
    found.map(({ hit, row }) => [
      new Date(row.receivedAt).toISOString().slice(0, 16),
      row.from[0]?.name ?? row.from[0]?.address ?? '',
      row.subject.slice(0, 60),
      text(hit.snippet).slice(0, 80),
    ]),
  )
  io.out(`${found.length} of ${result.total}${result.totalIsExact ? '' : ' or more'} messages.\n`)
}

const text = (segments: readonly Segment[]): string => segments.map((segment) => segment.text).join('')
