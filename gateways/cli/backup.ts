// everpost backup: what is new on the log and among the blobs, into a folder.
import { resolve } from 'node:path'
import { parse, printJson, progressLine, size, words } from './arguments.ts'
import type { CliIo, CliServices } from './services.ts'

export async function backupVerb(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { keys: { type: 'string' }, json: { type: 'boolean' } })
  const [folder = ''] = words(positionals, ['DIR'])
  const keys = values.keys === undefined ? undefined : resolve(io.cwd, values.keys)
  const result = await services.backup(resolve(io.cwd, folder), {
    keys,
    signal: io.signal,
    onProgress: ({ what, done, total }) => io.progress(progressLine(`Backing up ${what}`, done, total ?? done, '', 0)),
  })
  io.progress(null)
  if (values.json) return printJson(io, result)
  io.out(`${result.events} events and ${result.blobs} blobs (${size(result.bytes)}) are new in ${folder}.\n`)
  if (keys === undefined)
    io.out(
      'The keys are not in it. Without them it can never be read: add --keys FILE, and keep that file elsewhere.\n',
    )
}
