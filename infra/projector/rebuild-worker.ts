// The thread of one rebuild: fills the next generations from the first event on, compares them with those that serve, hands over.
import { parentPort, workerData } from 'node:worker_threads'
import { earliest, run } from '../../projections/runtime.ts'
import { openEventSource, type SourceConfig } from '../adapters/journal/open-source.ts'
import { DecodedSource } from './decoded-source.ts'
import type { Compared, FromRebuild, RebuildConfig, ToRebuild } from './messages.ts'
import type { RebuildProgress } from './projectors.ts'
import { engineOf, type OpenedProjection } from './registry.ts'

/** Many: what a batch touches twice is written once. */
const BATCH = 4000

const config = workerData as RebuildConfig
const port = parentPort
if (port === null) throw new Error('This file is the entry of a worker thread.')
const say = (message: FromRebuild): void => port.postMessage(message)
const source = await openEventSource(config.source as SourceConfig)
/** Reads and opens events on another core while this thread applies them. */
const decoded = new DecodedSource(config.source)
const began = performance.now()
const label = config.names.join(', ')
let events = 0
let total = 0

function progress(phase: RebuildProgress['phase']): void {
  const seconds = (performance.now() - began) / 1000
  const rate = seconds > 0 ? events / seconds : 0
  const left = Math.max(0, total - events)
  say({
    type: 'progress',
    progress: { name: label, phase, events, total, rate, etaSeconds: rate > 0 ? left / rate : 0 },
  })
}

const inbox: ToRebuild[] = []
let wake: (() => void) | undefined
port.on('message', (message: ToRebuild) => {
  if (message.type === 'poke') decoded.poke()
  else {
    inbox.push(message)
    wake?.()
  }
})
async function next(): Promise<ToRebuild> {
  for (;;) {
    const message = inbox.shift()
    if (message !== undefined) return message
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
}

/** Applies what there is, until the end of the log is met once. */
async function catchUp(opened: readonly OpenedProjection[], phase: RebuildProgress['phase']): Promise<void> {
  const stop = new AbortController()
  const head = (await source.head()) ?? 0n
  let told = 0
  await run(
    decoded,
    opened.map((each) => each.projection),
    stop.signal,
    {
      batchSize: BATCH,
      once: true,
      onBatch(batch) {
        events += batch.events
        // Positions of most engines are nearly as many as events; exact at the end.
        if (batch.position !== undefined && batch.position > 0n)
          total = Math.max(events, Math.round((events * Number(head)) / Number(batch.position)))
        if (batch.caughtUp) {
          total = events
          stop.abort()
        }
        const now = performance.now()
        if (now - told > 250 || batch.caughtUp) {
          told = now
          progress(phase)
        }
      },
    },
  )
}

async function reach(opened: readonly OpenedProjection[], position: bigint | undefined): Promise<void> {
  if (position === undefined) return
  const projections = opened.map((each) => each.projection)
  await run(decoded, projections, new AbortController().signal, {
    batchSize: BATCH,
    once: true,
    until: position,
    onBatch(batch) {
      events += batch.events
    },
  })
}

async function rebuild(): Promise<void> {
  const { generations } = config
  let opened = generations.map(({ name, path }) => engineOf(name).open(path, 'fill'))
  await catchUp(opened, 'filling')
  progress('indexing')
  const filled = opened.map((each) => each.projection.applied())
  for (const each of opened) each.file.finish()
  opened = generations.map(({ name, path }) => engineOf(name).open(path, 'live'))
  await catchUp(opened, 'catching-up')
  const seconds = (performance.now() - began) / 1000
  const position = () => earliest(opened.map((each) => each.projection))
  say({ type: 'caught-up', position: position() })

  for (;;) {
    const message = await next()
    if (message.type === 'compare') {
      const serving = generations.map(({ name, serving }) =>
        serving === undefined ? undefined : engineOf(name).snapshot(serving),
      )
      say({ type: 'snapshotted' })
      await reach(opened, message.position)
      progress('comparing')
      const results = generations.map(({ name, path }, i): Compared => {
        const own = engineOf(name).snapshot(path)
        const old = serving[i]
        const projection = opened[i]?.projection
        const compared = {
          name,
          events: (filled[i] ?? 0) + (projection?.applied() ?? 0),
          seconds,
          digest: own.digest(),
          previousDigest: old?.digest(),
          parked: projection?.parked().count ?? 0,
        }
        own.close()
        old?.close()
        return compared
      })
      await catchUp(opened, 'catching-up')
      say({ type: 'compared', results, position: position() })
    } else if (message.type === 'finish') {
      await reach(opened, message.position)
      progress('switching')
      for (const each of opened) each.file.close()
      await decoded.close()
      await source.close()
      say({ type: 'finished' })
      port?.close()
      return
    }
  }
}

await rebuild()
