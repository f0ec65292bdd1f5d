// everpost restore: the engines of the settings are filled from a backup, then every view is made from the log and compared.
import { existsSync, mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { duration, parse, printJson, progressLine, size, words } from '../../gateways/cli/arguments.ts'
import { helpText } from '../../gateways/cli/help.ts'
import { type CliIo, CliRefusal, CliUsage } from '../../gateways/cli/services.ts'
import { type Config, dataPaths } from '../config.ts'
import { lockData } from '../data-lock.ts'
import { hasAccounts, keyringPlaceOf, openStores } from '../engines.ts'
import { openEverpost } from '../open-everpost.ts'
import { restore } from './backup.ts'
import { loadKeys } from './keys-file.ts'

/** Answers the exit code. */
export async function restoreVerb(config: Config, argv: readonly string[], io: CliIo): Promise<number> {
  try {
    await run(config, argv, io)
    return 0
  } catch (error) {
    io.progress(null)
    io.err(`everpost restore: ${error instanceof Error ? error.message : String(error)}\n`)
    if (error instanceof CliUsage) io.err(`\n${helpText('restore')}`)
    return error instanceof CliUsage ? 2 : 1
  }
}

async function run(config: Config, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, {
    keys: { type: 'string' },
    resume: { type: 'boolean' },
    json: { type: 'boolean' },
  })
  const [folder = ''] = words(positionals, ['DIR'])
  const { masterKey } = dataPaths(config.data)
  if (config.masterKey === undefined && !existsSync(masterKey))
    throw new CliRefusal(
      `The keys of a backup are wrapped by the master key: put it into ${masterKey}, or into EVERPOST_MASTER_KEY.`,
    )
  mkdirSync(config.data, { recursive: true, mode: 0o700 })
  const lock = lockData(dataPaths(config.data).lock)
  const opened: { close(): unknown }[] = [{ close: () => lock.release() }]
  const started = performance.now()
  let result: Awaited<ReturnType<typeof restore>>
  try {
    const stores = await openStores(config, opened)
    if (!values.resume && (await hasAccounts(stores.events)))
      throw new CliRefusal(
        'The log of these settings holds accounts already: choose an empty one, or add --resume to go on with a restore that was interrupted.',
      )
    if (values.keys !== undefined) await loadKeys(keyringPlaceOf(config), resolve(io.cwd, values.keys))
    result = await restore(stores, resolve(io.cwd, folder), {
      signal: io.signal,
      onProgress: ({ what, done, total = done }) => io.progress(progressLine(`Restoring ${what}`, done, total, '', 0)),
    })
    io.progress(null)
  } finally {
    for (const part of opened.toReversed()) await part.close()
  }
  const everpost = await openEverpost(config, { alone: true })
  try {
    await everpost.projectors.ready()
    const rebuilt = []
    for (const name of everpost.services.projectionNames.filter((each) => each !== 'tree')) {
      rebuilt.push(
        ...(await everpost.services.rebuild(name, ({ name: view, phase, events, total, etaSeconds }) =>
          io.progress(progressLine(`${view}: ${phase}`, events, total, '', etaSeconds)),
        )),
      )
    }
    io.progress(null)
    const different = rebuilt.filter(({ same }) => same === false).map(({ name }) => name)
    const seconds = (performance.now() - started) / 1000
    if (values.json) printJson(io, { ...result, seconds, views: rebuilt.map(({ name, same }) => ({ name, same })) })
    else
      io.out(
        `Restored ${result.events} events and ${result.blobs} blobs (${size(result.bytes)}) in ${duration(seconds)}; ${rebuilt.length} views made twice and equal.\n`,
      )
    if (different.length > 0) throw new CliRefusal(`These views differ when made again: ${different.join(', ')}.`)
  } finally {
    await everpost.close()
  }
}
