// The thread of live projectors: opens the generations that serve, fills those that are missing, follows the log.
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { earliest, type HandledBatch, type RuntimeOptions, run } from '../../projections/runtime.ts'
import { openEventSource, type SourceConfig } from '../adapters/journal/open-source.ts'
import { Catalog } from '../adapters/views/catalog.ts'
import { isDamage, UnusableView } from '../adapters/views/sqlite-file.ts'
import { DecodedSource } from './decoded-source.ts'
import {
  type Answer,
  type AppliedBatch,
  type FromWorker,
  MAX_TRACED,
  type ToWorker,
  type WorkerConfig,
} from './messages.ts'
import type { ProjectionStatus } from './projectors.ts'
import { engineOf, type OpenedProjection } from './registry.ts'

interface Running extends OpenedProjection {
  readonly name: string
  readonly generation: number
  readonly path: string
  filling: boolean
  caughtUp: boolean
  lastAt: number | undefined
  error: string | undefined
}

const LIVE_BATCH = 500
/** Many: what a batch touches twice is written once. */
const FILL_BATCH = 4000

const config = workerData as WorkerConfig
const port = parentPort
if (port === null) throw new Error('This file is the entry of a worker thread.')
const say = (message: FromWorker): void => port.postMessage(message)
const answer = (id: number, value: Answer): void => say({ type: 'answer', id, value })

const catalog = new Catalog(join(config.data, config.folder))
const source = await openEventSource(config.source as SourceConfig)
const running: Running[] = []
let closing = false
let phase = new AbortController()
let freeze: { readonly id: number; readonly atLeast: bigint | undefined } | undefined
let thaw: (() => void) | undefined
let announced = false

function open(name: string): Running {
  const generation = catalog.generation(name)
  if (generation !== undefined) {
    const path = catalog.path(name, generation)
    try {
      return started(name, generation, path, engineOf(name).open(path, 'live'), false)
    } catch (error) {
      if (!(error instanceof UnusableView) && !isDamage(error)) throw error
      // Views are derived: one that cannot serve is made again from the log.
    }
  }
  const next = catalog.next(name)
  const path = catalog.path(name, next)
  return started(name, next, path, engineOf(name).open(path, 'fill'), true)
}

function started(name: string, generation: number, path: string, opened: OpenedProjection, filling: boolean): Running {
  return { ...opened, name, generation, path, filling, caughtUp: false, lastAt: undefined, error: undefined }
}

/** Ends the filling of views that reached the end of the log, and lets readers have them. */
function finishFilled(): void {
  for (const [i, view] of running.entries()) {
    if (!view.filling || !view.caughtUp) continue
    view.file.finish()
    catalog.flip(view.name, view.generation)
    const live = started(view.name, view.generation, view.path, engineOf(view.name).open(view.path, 'live'), false)
    running[i] = { ...live, caughtUp: true, lastAt: view.lastAt }
    say({ type: 'opened', name: view.name, generation: view.generation, path: view.path })
  }
}

function reopenDamaged(): void {
  for (const [i, view] of running.entries()) {
    if (view.error === undefined) continue
    view.file.close()
    running[i] = open(view.name)
  }
}

function onBatch(group: readonly Running[], batch: HandledBatch): void {
  for (const view of group) {
    view.caughtUp ||= batch.caughtUp
    view.lastAt = batch.lastAt ?? view.lastAt
  }
  const live = group.every((view) => !view.filling)
  if (live) {
    say({
      type: 'applied',
      mailboxes: batch.mailboxes,
      positions: group.map((view) => [view.name, view.projection.position()] as const),
      ...(config.traced && batch.events > 0 ? { batch: told(group, batch) } : {}),
    })
    announceLive()
  } else if (batch.caughtUp) phase.abort()
  if (freeze !== undefined && frozenEnough()) phase.abort()
}

const told = (group: readonly Running[], { events, began, ended, correlationIds }: HandledBatch): AppliedBatch => ({
  ...{ views: group.map(({ name }) => name), events, began, ended },
  correlationIds: correlationIds(MAX_TRACED),
})

function frozenEnough(): boolean {
  const atLeast = freeze?.atLeast
  if (atLeast === undefined) return true
  const least = earliest(running.map((view) => view.projection))
  return least !== undefined && least >= atLeast
}

async function follow(group: readonly Running[], signal: AbortSignal): Promise<void> {
  if (group.length === 0) return
  const options: RuntimeOptions = {
    batchSize: group.some((view) => view.filling) ? FILL_BATCH : LIVE_BATCH,
    onBatch: (batch) => onBatch(group, batch),
    onError: (error) => {
      say({ type: 'failure', error: String(error) })
      if (!isDamage(error)) return
      // Which of them is damaged does not matter: opening again finds out, and a damaged one is filled anew.
      for (const view of group) view.error = String(error)
      phase.abort()
    },
  }
  // Filling is much work at once: opening events then has a thread of its own.
  const decoded = group.some((view) => view.filling) ? new DecodedSource(config.source) : undefined
  const projections = group.map((view) => view.projection)
  await run(decoded ?? source, projections, signal, options)
  await decoded?.close()
}

function announceLive(): void {
  if (announced || running.some((view) => view.filling || !view.caughtUp)) return
  announced = true
  say({ type: 'live' })
}

async function main(): Promise<void> {
  for (const name of config.names) {
    catalog.clear(name)
    const view = open(name)
    running.push(view)
    if (!view.filling) say({ type: 'opened', name, generation: view.generation, path: view.path })
  }
  while (!closing) {
    phase = new AbortController()
    const { signal } = phase
    const filling = running.filter((view) => view.filling)
    const live = running.filter((view) => !view.filling)
    // What is missing is filled beside what serves, so that one lost view does not hold up the others.
    await Promise.all([follow(live, signal), follow(filling, signal)])
    reopenDamaged()
    finishFilled()
    announceLive()
    if (freeze === undefined || closing) continue
    const { id } = freeze
    freeze = undefined
    const thawed = new Promise<void>((resolve) => {
      thaw = resolve
    })
    answer(id, { kind: 'frozen', position: earliest(running.map((view) => view.projection)) })
    await thawed
    thaw = undefined
  }
  for (const view of running) view.file.close()
  await source.close()
  port?.close()
}

async function status(): Promise<ProjectionStatus[]> {
  const head = await source.head()
  return running.map((view) => {
    const checkpoint = view.projection.position()
    const behind = (head ?? 0n) - (checkpoint ?? 0n)
    const { newest, count } = view.projection.parked()
    const late = behind > 0n && view.lastAt !== undefined ? Math.max(0, (Date.now() - view.lastAt) / 1000) : 0
    return {
      name: view.name,
      version: engineOf(view.name).version,
      generation: view.generation,
      state: view.error !== undefined ? 'failed' : view.filling ? 'rebuilding' : behind > 0n ? 'catching-up' : 'live',
      checkpoint,
      head,
      lag: { positions: behind > 0n ? behind : 0n, seconds: late },
      applied: view.projection.applied(),
      parked: newest,
      parkedCount: count,
      ...(view.error === undefined ? {} : { error: view.error }),
    }
  })
}

function switchTo(generations: readonly (readonly [string, number])[]): void {
  for (const [name, generation] of generations) {
    const i = running.findIndex((view) => view.name === name)
    const path = catalog.path(name, generation)
    const opened = started(name, generation, path, engineOf(name).open(path, 'live'), false)
    running[i]?.file.close()
    running[i] = { ...opened, caughtUp: true }
  }
  catalog.flipAll(generations)
  for (const [name, generation] of generations) {
    catalog.clear(name)
    say({ type: 'opened', name, generation, path: catalog.path(name, generation) })
  }
}

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'poke':
      source.poke()
      return
    case 'forget':
      source.forget(message.account)
      return
    case 'status':
      void status().then((value) => answer(message.id, { kind: 'status', status: value }))
      return
    case 'freeze':
      freeze = message
      source.poke()
      if (frozenEnough()) phase.abort()
      return
    case 'resume':
      thaw?.()
      return
    case 'switch':
      switchTo(message.generations)
      answer(message.id, { kind: 'switched' })
      thaw?.()
      return
    case 'close':
      closing = true
      phase.abort()
      thaw?.()
      return
    default: {
      const _: never = message
    }
  }
})

await main()
