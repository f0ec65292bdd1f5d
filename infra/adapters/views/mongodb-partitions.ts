// Some partitions of a view as one projection, also when they stand at different positions: those that lag catch up by themselves.
import { accountOfStream, type Position } from '../../../domain/log.ts'
import type { SourceEvent } from '../../../projections/ports/event-source.ts'
import type { ParkedEvent } from '../../../projections/ports/view-store.ts'
import { earliest, type Projection } from '../../../projections/runtime.ts'
import { MONGO_VIEWS, type OpenedMongoView } from './mongodb.ts'
import type { MongoDatabase } from './mongodb-database.ts'
import type { MongoViewName } from './mongodb-indexes.ts'
import { allPartitions, type MongoStoreOptions, partitionOf } from './mongodb-store.ts'

export interface PartitionedProjection extends Projection {
  digest(): Promise<string>
  close(): Promise<void>
}

interface Group {
  readonly opened: OpenedMongoView
  readonly projection: Projection
}

/** Opens the partitions, which finishes what an owner before left half done. Rejects with PartitionLost. */
export async function openPartitions(
  view: MongoViewName,
  database: MongoDatabase,
  options: MongoStoreOptions,
): Promise<PartitionedProjection> {
  const whole = view === 'directory'
  const partitions = whole ? [0] : (options.partitions ?? allPartitions(options.of))
  const owned = new Set(partitions)
  /** Nothing of the event is about an account of these partitions. */
  const concerns = (event: SourceEvent): boolean => {
    const account = whole ? undefined : accountOfStream(event.stream)
    return account === undefined || owned.has(partitionOf(account, options.of))
  }
  const group = (opened: OpenedMongoView): Group => ({ opened, projection: opened.project() })
  const openOf = async (some: readonly number[]) => {
    const opened = MONGO_VIEWS[view].store(database, { ...options, partitions: some })
    return { opened, positions: await opened.store.open() }
  }

  const openGroups = async (): Promise<readonly [Group, ...Group[]]> => {
    const { opened, positions } = await openOf(partitions)
    const levels = [...Map.groupBy(positions, ([, position]) => position).values()]
    const [first, ...others] = levels.map((level) => level.map(([partition]) => partition))
    if (first === undefined || others.length === 0) return [group(opened)]
    await opened.store.close()
    const rest: Group[] = []
    for (const level of others) rest.push(group((await openOf(level)).opened))
    return [group((await openOf(first)).opened), ...rest]
  }

  let groups = await openGroups()
  let appliedBefore = 0
  const level = () => groups.every(({ projection }) => projection.position() === groups[0].projection.position())
  const settle = async () => {
    for (const { opened, projection } of groups) {
      await projection.settle()
      await opened.store.settle()
    }
  }
  const applied = () => Math.max(...groups.map(({ projection }) => projection.applied()))

  return {
    name: groups[0].projection.name,
    prefixes: groups[0].projection.prefixes,
    text: groups[0].projection.text,
    position: () => earliest(groups.map(({ projection }) => projection)),
    stored: () => groups[0].projection.stored(),
    applied: () => appliedBefore + applied(),
    parked: (): { readonly newest: readonly ParkedEvent[]; readonly count: number } => groups[0].opened.store.parked(),
    async handle(events, last: Position) {
      const own = events.filter(concerns)
      let handled: readonly SourceEvent[] = []
      for (const { projection } of groups) {
        const done = await projection.handle(own, last)
        if (done.length > handled.length) handled = done
      }
      if (groups.length > 1 && level()) {
        await settle()
        for (const { opened } of groups) await opened.store.close()
        appliedBefore += applied()
        groups = await openGroups()
      }
      return handled
    },
    settle,
    digest: () => groups[0].opened.store.digest(),
    async close() {
      for (const { opened } of groups) await opened.store.close()
    },
  }
}
