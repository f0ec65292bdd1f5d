// Imports go one way: domain <- commands, projections <- gateways <- infra. Fails on any other arrow.
import { globSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..')
const MAY: Readonly<Record<string, readonly string[]>> = {
  domain: ['domain'],
  commands: ['domain', 'commands'],
  projections: ['domain', 'projections'],
  gateways: ['domain', 'commands', 'projections', 'gateways'],
  infra: ['domain', 'commands', 'projections', 'gateways', 'infra'],
  'apps/web': ['apps/web'],
}
/** Rooms that use no package and, domain, not even Node's own modules. */
const WITHOUT_PACKAGES = ['domain', 'commands', 'projections']

export interface Violation {
  readonly file: string
  readonly imports: string
  readonly reason: string
}

const roomOf = (path: string): string | undefined =>
  Object.keys(MAY).find((room) => path === room || path.startsWith(`${room}/`))

/** Every import of a source text: static, side-effect, re-export and dynamic. */
export function importsOf(source: string): readonly string[] {
  const found = source.matchAll(
    /(?:^|\n)\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s*)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g,
  )
  return [...found].map((match) => (match[1] ?? match[2]) as string)
}

/** What is wrong with one file's imports. `file` is relative to the root, with forward slashes. */
export function check(file: string, source: string): readonly Violation[] {
  const room = roomOf(file)
  if (!room) return []
  return importsOf(source).flatMap((imports): Violation[] => {
    const wrong = (reason: string) => [{ file, imports, reason }]
    if (!imports.startsWith('.')) {
      if (room === 'domain') return wrong('domain imports nothing outside domain')
      if (WITHOUT_PACKAGES.includes(room) && !isBuiltin(imports)) return wrong(`${room} uses no packages`)
      return []
    }
    const target = relative(ROOT, resolve(ROOT, dirname(file), imports)).replaceAll('\\', '/')
    const other = roomOf(target)
    if (other && (MAY[room] as readonly string[]).includes(other)) return []
    return wrong(`${room} may import only ${(MAY[room] as readonly string[]).join(', ')}`)
  })
}

export function checkAll(): readonly Violation[] {
  const files = Object.keys(MAY).flatMap((room) =>
    globSync(`${room}/**/*.{ts,tsx}`, { cwd: ROOT, exclude: (name) => name === 'node_modules' || name === 'dist' }),
  )
  return files.flatMap((file) => check(file.replaceAll('\\', '/'), readFileSync(join(ROOT, file), 'utf8')))
}

if (process.argv[1] === import.meta.filename) {
  const violations = checkAll()
  for (const { file, imports, reason } of violations) console.error(`${file} imports ${imports}: ${reason}`)
  console.log(violations.length === 0 ? 'Imports go one way.' : `${violations.length} forbidden imports`)
  process.exitCode = violations.length === 0 ? 0 : 1
}
