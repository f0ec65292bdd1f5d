// Accounts on cells: placement by a table of slots, hot accounts, a cell that is lost, a cell that is split. Small numbers stand for large
// ones: what is measured are shares. The same seed gives the same answer.
import { hash } from 'node:crypto'
import { PARTITIONS } from '../adapters/views/mongodb-store.ts'
import { preferred } from '../projector/partition-leases.ts'

export interface Simulated {
  /** The fullest and the busiest cell against the mean. */
  readonly fullest: number
  readonly busiest: number
  /** The same after the busiest slots were moved. */
  readonly busiestAfterMoving: number
  /** Share of the accounts that moved for that. */
  readonly moved: number
  /** A cell is lost: share of accounts without service, and load on each other cell when they are served from its copies elsewhere. */
  readonly lost: number
  readonly loadAfterLoss: number
  /** A cell is split: share of its accounts that move, share of all others that do. */
  readonly splitMoves: number
  readonly splitMovesOthers: number
}

/** Slots that accounts are hashed into; slots, not accounts, are what moves. */
const SLOTS = 16_384

export function slotOf(account: string): number {
  return hash('sha1', account, 'buffer').readUInt32BE(0) % SLOTS
}

/** Highest random weight: the cell of a slot, and the next one when that is gone. */
export function cellOf(slot: number, cells: readonly string[]): string {
  let best = ''
  let most = -1
  for (const cell of cells) {
    const weight = hash('sha1', `${slot}/${cell}`, 'buffer').readUInt32BE(0)
    if (weight > most) {
      most = weight
      best = cell
    }
  }
  return best
}

export function simulate({ accounts = 200_000, cells = 40, seed = 1 } = {}): Simulated {
  const names = Array.from({ length: cells }, (_, i) => `cell-${i}`)
  const place = Array.from({ length: SLOTS }, (_, slot) => cellOf(slot, names))
  const slotCount = new Float64Array(SLOTS)
  const slotLoad = new Float64Array(SLOTS)
  for (let i = 0; i < accounts; i++) {
    const slot = slotOf(`${seed}/${i}`)
    slotCount[slot] = (slotCount[slot] ?? 0) + 1
    slotLoad[slot] = (slotLoad[slot] ?? 0) + loadOf(seed, i)
  }
  const sum = (of: Float64Array, where: readonly string[]): Map<string, number> => {
    const sums = new Map(names.map((name) => [name, 0]))
    for (const [slot, name] of where.entries()) sums.set(name, (sums.get(name) ?? 0) + (of[slot] ?? 0))
    return sums
  }
  const most = (sums: Map<string, number>): number => {
    const values = [...sums.values()]
    return Math.max(...values) / (values.reduce((a, b) => a + b, 0) / values.length)
  }
  const counts = sum(slotCount, place)
  const busy = sum(slotLoad, place)
  const { placed, moved } = even(place, slotLoad, slotCount, names)
  // Its slots fall to the cells that are next for them.
  const [lostCell = ''] = names
  const rest = names.slice(1)
  const after = place.map((name, slot) => (name === lostCell ? cellOf(slot, rest) : name))
  const afterLoss = sum(slotLoad, after)
  afterLoss.delete(lostCell)
  // A new cell takes every other slot of the old one, by the table of exceptions; nobody else's.
  const [split = ''] = names
  const own = [...place.keys()].filter((slot) => place[slot] === split)
  const moving = own.filter((slot) => (hash('sha1', `split/${slot}`, 'buffer')[0] ?? 0) % 2 === 1)
  const accountsIn = (slots: readonly number[]) => slots.reduce((total, slot) => total + (slotCount[slot] ?? 0), 0)
  return {
    fullest: most(counts),
    busiest: most(busy),
    busiestAfterMoving: most(sum(slotLoad, placed)),
    moved: moved / accounts,
    lost: (counts.get(lostCell) ?? 0) / accounts,
    loadAfterLoss: most(afterLoss) * (names.length / rest.length),
    splitMoves: accountsIn(moving) / accountsIn(own),
    splitMovesOthers: 0,
  }
}

/** A few accounts have most of the mail: Pareto with a tail of 1.3, at most ten thousand times the median. */
function loadOf(seed: number, account: number): number {
  const uniform = (hash('sha1', `load/${seed}/${account}`, 'buffer').readUInt32BE(0) + 1) / 2 ** 32
  return Math.min(10_000, uniform ** (-1 / 1.3))
}

/** The busiest slots of cells above the mean go to the idlest cell, until no cell is five per cent above it. */
function even(
  place: readonly string[],
  load: Float64Array,
  count: Float64Array,
  names: readonly string[],
): { readonly placed: readonly string[]; readonly moved: number } {
  const placed = [...place]
  const sums = new Map(names.map((name) => [name, 0]))
  for (const [slot, name] of placed.entries()) sums.set(name, (sums.get(name) ?? 0) + (load[slot] ?? 0))
  const mean = [...sums.values()].reduce((a, b) => a + b, 0) / names.length
  let moved = 0
  for (const name of names) {
    const own = [...placed.keys()]
      .filter((slot) => placed[slot] === name)
      .sort((a, b) => (load[b] ?? 0) - (load[a] ?? 0))
    for (const slot of own) {
      const here = sums.get(name) ?? 0
      if (here <= mean * 1.05) break
      const [idlest = name, there = 0] = [...sums].sort((a, b) => a[1] - b[1])[0] ?? []
      const size = load[slot] ?? 0
      // A slot that would make its new home the busiest one stays.
      if (there + size > mean * 1.05) continue
      placed[slot] = idlest
      sums.set(name, here - size)
      sums.set(idlest, there + size)
      moved += count[slot] ?? 0
    }
  }
  return { placed, moved }
}

export interface ProjectorCosts {
  /** Milliseconds of a projector's processor for one event. */
  readonly cpuMs: number
  /** Milliseconds that it waits for the engine of the views, when that has nothing else to do. */
  readonly waitMs: number
  /** How much of the wait is work of the engine, and how many events it works on at the same time. */
  readonly engineMs: number
  readonly engineCores: number
}

/** `npm run bench -- cluster`: 205 events a second, 3 ms of processor each, the rest waiting for the engine, which is taken to work all that time. */
export const MEASURED_COSTS: ProjectorCosts = { cpuMs: 3, waitMs: 1.9, engineMs: 1.9, engineCores: 8 }

const EVENTS = 5_000

/**
 * How much sooner `processes` projectors, each on cores of its own, are through a backlog than one: partitions are given out as
 * partition-leases.ts does it, each process takes one event after the other, and all wait for the same engine.
 */
export function projectorSpeedup(processes: number, costs: ProjectorCosts = MEASURED_COSTS, seed = 1): number {
  return secondsFor(1, costs, seed) / secondsFor(processes, costs, seed)
}

function secondsFor(processes: number, { cpuMs, waitMs, engineMs, engineCores }: ProjectorCosts, seed: number): number {
  const names = Array.from({ length: processes }, (_, i) => `projector-${seed}-${i}`)
  const left = new Map(names.map((name) => [name, 0]))
  for (let event = 0; event < EVENTS; event++) {
    const owner = preferred(slotOf(`${seed}/${event % 5_000}`) % PARTITIONS, names) ?? ''
    left.set(owner, (left.get(owner) ?? 0) + 1)
  }
  const cores = new Float64Array(engineCores)
  const at = new Map(names.map((name) => [name, 0]))
  let last = 0
  while (left.size > 0) {
    // Whoever is free first goes on.
    const [name = '', now = 0] = [...at].filter(([each]) => left.has(each)).sort((a, b) => a[1] - b[1])[0] ?? []
    const asks = now + cpuMs
    const free = cores.indexOf(Math.min(...cores))
    const begins = Math.max(asks, cores[free] ?? 0)
    cores[free] = begins + engineMs
    const done = begins + waitMs
    at.set(name, done)
    last = Math.max(last, done)
    const rest = (left.get(name) ?? 0) - 1
    if (rest > 0) left.set(name, rest)
    else left.delete(name)
  }
  return last / 1000
}
