// everpost migrate-engine: from the engines in use to those of another file of settings.
import { resolve } from 'node:path'
import { duration, parse, printJson, progressLine, words } from './arguments.ts'
import type { CliIo, CliServices } from './services.ts'

export async function migrateEngine(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { prepare: { type: 'boolean' }, json: { type: 'boolean' } })
  const [file = ''] = words(positionals, ['TARGET.yaml'])
  const result = await services.migrate(resolve(io.cwd, file), {
    prepare: values.prepare ?? false,
    signal: io.signal,
    onProgress: ({ what, done }) => io.progress(progressLine(`Moving ${what}`, done, done, '', 0)),
  })
  io.progress(null)
  if (values.json) return printJson(io, result)
  io.out(`${result.events} events, ${result.blobs} blobs and ${result.keys} keys were copied.\n`)
  if (values.prepare) io.out(`Mail stays where it is. To move on: everpost migrate-engine ${file}\n`)
  else
    io.out(
      `Nothing could be written for ${duration(result.heldSeconds)}. From now on start with --config ${file}; a server that runs does so by itself.\n`,
    )
}
