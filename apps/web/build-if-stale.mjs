// npm start and npm run demo: builds the web app when it was never built or its sources are newer.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, statSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
const built = join(here, 'dist', 'index.html')
const sources = [
  'index.html',
  'vite.config.ts',
  'package.json',
  ...globSync('src/**/*', { cwd: here }),
  ...globSync('public/**/*', { cwd: here }),
]
const newest = Math.max(...sources.map((file) => statSync(join(here, file)).mtimeMs))
if (!existsSync(built) || statSync(built).mtimeMs < newest) {
  console.log('Building the web app…')
  const vite = join(here, '..', '..', 'node_modules', 'vite', 'bin', 'vite.js')
  const { status, stderr } = spawnSync(process.execPath, [vite, 'build', '--logLevel', 'warn'], {
    cwd: here,
    encoding: 'utf8',
  })
  if (status !== 0) {
    console.error(`The web app could not be built; mail works without it.\n${stderr}`)
  }
}
