// Every projection that a projector thread can run, by name. A new one is one entry here.
import type { Projection } from '../../projections/runtime.ts'
import { SQLITE_VIEWS, ViewSnapshot } from '../adapters/views/sqlite.ts'

export interface OpenedProjection {
  readonly projection: Projection
  readonly file: {
    /** Ends a filling: indexes, everything on disk, file closed. It can then be opened 'live'. */
    finish(): void
    close(): void
  }
}

export interface ProjectionEngine {
  readonly version: number
  /** `live` throws `UnusableView` for a file that cannot serve; `fill` makes it anew. */
  open(path: string, mode: 'live' | 'fill'): OpenedProjection
  /** One moment of the file, held until closed. */
  snapshot(path: string): { readonly checkpoint: bigint | undefined; digest(): string; close(): void }
}

const VIEWS = (['mailbox', 'directory', 'submissions', 'timeline', 'filter'] as const).map(
  (name): [string, ProjectionEngine] => [
    name,
    {
      version: SQLITE_VIEWS[name].version,
      open: (path, mode) => SQLITE_VIEWS[name].open(path, mode),
      snapshot: (path) => new ViewSnapshot(name, path),
    },
  ],
)

const ENGINES = new Map<string, ProjectionEngine>(VIEWS)

export function engineOf(name: string): ProjectionEngine {
  const engine = ENGINES.get(name)
  if (engine === undefined) throw new Error(`There is no projection ${name}.`)
  return engine
}
