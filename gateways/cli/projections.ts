// everpost projections …, compact: what the views are at, making them anew, and giving back space.
import { contextOf } from '../../commands/context.ts'
import { recordAudit } from '../../commands/record-audit.ts'
import { duration, parse, printJson, printTable, progressLine, size, words } from './arguments.ts'
import { type CliIo, CliRefusal, type CliServices, CliUsage } from './services.ts'

export async function projectionsStatus(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { json: { type: 'boolean' } })
  words(positionals, [])
  const lines = await services.projectionStatus()
  if (values.json) return printJson(io, lines)
  printTable(
    io,
    ['PROJECTION', 'VERSION', 'GENERATION', 'STATE', 'POSITION', 'BEHIND', 'PARKED'],
    lines.map((line) => [
      line.name,
      `${line.version}`,
      `${line.generation}`,
      line.state,
      `${line.checkpoint ?? 0n}`,
      line.lag.positions === 0n ? '0' : `${line.lag.positions} (${duration(line.lag.seconds)})`,
      `${line.parkedCount}`,
    ]),
  )
  for (const { name, parked } of lines) {
    for (const { position, type, error } of parked)
      io.out(`${name}: parked ${type} at position ${position}: ${error}\n`)
  }
}

export async function projectionsRebuild(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { all: { type: 'boolean' }, json: { type: 'boolean' } })
  if (values.all === true && positionals.length > 0) throw new CliUsage('Name one projection or say --all, not both.')
  const names = values.all ? services.projectionNames : words(positionals, ['NAME or --all'])
  for (const name of names) {
    if (!services.projectionNames.includes(name)) {
      throw new CliRefusal(`There is no projection ${name}; there are ${services.projectionNames.join(', ')}.`)
    }
  }
  const rebuilt = []
  for (const name of names) {
    rebuilt.push(
      ...(await services.rebuild(name, (step) => {
        const rate = `${Math.round(step.rate).toLocaleString('en')} events/s`
        io.progress(
          progressLine(`${step.name}: ${step.phase}`.padEnd(26), step.events, step.total, rate, step.etaSeconds),
        )
      })),
    )
    io.progress(null)
  }
  for (const { name, generation, events, digest } of rebuilt) {
    const data = { projection: name, generation, events, digest }
    await recordAudit(services.journal, contextOf('cli', 'cli', { at: services.now() }), {
      type: 'ProjectionRebuilt',
      data,
    })
  }
  if (values.json) return printJson(io, rebuilt)
  for (const { name, generation, events, seconds, same, parked } of rebuilt) {
    const verdict =
      same === undefined
        ? 'nothing to compare with'
        : same
          ? 'equal to the one before'
          : 'DIFFERENT from the one before'
    const waiting = parked > 0 ? `, ${parked} events parked` : ''
    io.out(`${name}: generation ${generation}, ${events} events in ${seconds.toFixed(1)} s, ${verdict}${waiting}\n`)
  }
}

export async function compact(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { json: { type: 'boolean' } })
  words(positionals, [])
  const result = await services.compact()
  if (values.json) return printJson(io, result)
  io.out(
    `Freed ${size(result.bytesFreed)}: ${result.blobsDeleted} messages nobody can restore, ${result.segments} segments rewritten.\n`,
  )
}
