// everpost sieve …: the filter rules of an account, and what they would do.
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { contextOf } from '../../commands/context.ts'
import { changeRules, checkRules, type RulesCommand, rulesOf } from '../../commands/filter-rules.ts'
import { MAX_FILTER_BYTES } from '../../domain/account/account.ts'
import type { AccountId } from '../../domain/log.ts'
import { folderAt } from '../../domain/mailbox/paths.ts'
import type { Problem } from '../../domain/sieve/limits.ts'
import { MAX_TESTED, type TestedMessage, testRules } from '../filter-rules/test-rules.ts'
import { accountNamed, parse, printJson, printTable, words } from './arguments.ts'
import { type CliIo, CliRefusal, type CliServices, CliUsage } from './services.ts'

const JSON_OPTION = { json: { type: 'boolean' } } as const

export async function sieveCheck(_services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  const [file = ''] = words(positionals, ['FILE'])
  const problems = checkRules(readScript(io, file))
  if (values.json) {
    printJson(io, problems)
    if (problems.length > 0) throw new CliRefusal(`${file} cannot run.`)
    return
  }
  refuseProblems(file, problems)
  io.out(`${file} can run.\n`)
}

export async function sieveList(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  const [address = ''] = words(positionals, ['ADDRESS'])
  const account = await accountNamed(services, address)
  const { scripts, active } = await rulesOf(services.journal, account.id)
  const rows = [...scripts].map(([name, script]) => ({
    name,
    active: name === active,
    bytes: Buffer.byteLength(script),
  }))
  if (values.json) return printJson(io, rows)
  if (rows.length === 0)
    return io.out(`${account.address} has no filter rules: everpost sieve put ${account.address} main FILE\n`)
  printTable(
    io,
    ['NAME', 'BYTES', 'IN FORCE'],
    rows.map((row) => [row.name, String(row.bytes), row.active ? 'yes' : '']),
  )
}

export async function sieveGet(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  const [address = '', name = ''] = words(positionals, ['ADDRESS', 'NAME'])
  const account = await accountNamed(services, address)
  const script = (await rulesOf(services.journal, account.id)).scripts.get(name)
  if (script === undefined)
    throw new CliRefusal(`${account.address} has no filter rules ${name}. See: everpost sieve list ${account.address}`)
  if (values.json) return printJson(io, { name, script })
  io.out(script.replaceAll('\r\n', '\n'))
}

export async function sievePut(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { activate: { type: 'boolean' }, ...JSON_OPTION })
  const [address = '', name = '', file = ''] = words(positionals, ['ADDRESS', 'NAME', 'FILE'])
  const account = await accountNamed(services, address)
  const script = readScript(io, file)
  refuseProblems(file, checkRules(script))
  await change(services, account.id, { type: 'ChangeFilterRules', name, script })
  if (values.activate) await change(services, account.id, { type: 'ActivateFilterRules', name })
  await services.settle()
  if (values.json) return printJson(io, { name, active: values.activate === true })
  io.out(
    values.activate
      ? `${name} runs on new mail of ${account.address} now.\n`
      : `${name} is saved. Put it in force: everpost sieve activate ${account.address} ${name}\n`,
  )
}

export async function sieveActivate(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { none: { type: 'boolean' }, ...JSON_OPTION })
  const [address = '', given] = words(positionals, values.none ? ['ADDRESS'] : ['ADDRESS', 'NAME'])
  const account = await accountNamed(services, address)
  const name = values.none ? null : (given ?? '')
  await change(services, account.id, { type: 'ActivateFilterRules', name })
  await services.settle()
  if (values.json) return printJson(io, { active: name })
  io.out(
    name === null
      ? `No filter rules run on new mail of ${account.address} now.\n`
      : `${name} runs on new mail of ${account.address} now.\n`,
  )
}

export async function sieveDelete(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  const [address = '', name = ''] = words(positionals, ['ADDRESS', 'NAME'])
  const account = await accountNamed(services, address)
  await change(services, account.id, { type: 'DeleteFilterRules', name })
  await services.settle()
  if (values.json) return printJson(io, { name, deleted: true })
  io.out(`${name} is deleted; the log keeps what it was.\n`)
}

export async function sieveTest(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { last: { type: 'string' }, folder: { type: 'string' }, ...JSON_OPTION })
  const [address = '', file = ''] = words(positionals, ['ADDRESS', 'FILE'])
  const account = await accountNamed(services, address)
  const last = Number(values.last ?? '20')
  if (!Number.isInteger(last) || last < 1 || last > MAX_TESTED)
    throw new CliUsage(`--last is a number from 1 to ${MAX_TESTED}, not ${values.last}.`)
  const folders = await services.mailbox.folders(account.id)
  const tree = { folders: new Map(folders.map((folder) => [folder.id, folder])) }
  const folder = folderAt(tree, values.folder ?? 'INBOX')
  if (!folder) throw new CliRefusal(`${account.address} has no folder ${values.folder}.`)
  const tested = await testRules(services, account, { script: readScript(io, file), folderId: folder.id, last })
  if ('problems' in tested) return refuseProblems(file, tested.problems)
  if (values.json)
    return printJson(
      io,
      tested.messages.map(({ row: { id, subject, from, receivedAt }, actions, problem }) => ({
        id,
        subject,
        from,
        receivedAt,
        actions,
        problem,
      })),
    )
  if (tested.messages.length === 0) return io.out('There is no message to try it on.\n')
  printTable(
    io,
    ['RECEIVED', 'FROM', 'SUBJECT', 'WOULD BE'],
    tested.messages.map((message) => [
      new Date(message.row.receivedAt).toISOString().slice(0, 16).replace('T', ' '),
      (message.row.from[0]?.address ?? '').slice(0, 30),
      message.row.subject.slice(0, 40),
      wouldBe(message),
    ]),
  )
}

/** `fileinto Work (line 3), vacation (line 9: a machine sent it)`. */
function wouldBe({ actions, problem }: TestedMessage): string {
  const said = actions.map(({ action, line, detail, flags, note }) => {
    const what = action === 'vacation' || detail === null ? action : `${action} ${detail}`
    const marks = flags.length > 0 ? ` with ${flags.join(' ')}` : ''
    const why = [line === null ? '' : `line ${line}`, note ?? ''].filter(Boolean).join(': ')
    return what + marks + (why === '' ? '' : ` (${why})`)
  })
  return said.join(', ') + (problem ? ` – failed in line ${problem.line}: ${problem.message}` : '')
}

async function change(services: CliServices, account: AccountId, command: RulesCommand): Promise<void> {
  const changed = await changeRules(services.journal, contextOf('cli', 'cli', { at: services.now() }), account, command)
  if (!changed.ok) throw new CliRefusal(changed.refusal.message)
}

function readScript(io: CliIo, file: string): string {
  const path = resolve(io.cwd, file)
  try {
    if (statSync(path).size > MAX_FILTER_BYTES) throw new CliRefusal(`${file} has more than ${MAX_FILTER_BYTES} bytes.`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof CliRefusal) throw error
    throw new CliRefusal(`${path} cannot be read: ${(error as Error).message}`)
  }
}

/** One sentence a problem, as compilers write them. */
function refuseProblems(file: string, problems: readonly Problem[]): void {
  if (problems.length === 0) return
  throw new CliRefusal(problems.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`).join('\n'))
}
