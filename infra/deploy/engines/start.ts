// node infra/deploy/engines/start.ts [--env] [redis nats mongodb s3]: starts them, says where they are, and stops them on SIGTERM.
import { ENGINES, type EngineName, type RunningEngine, startEngine } from './engines.ts'

const words = process.argv.slice(2)
const asEnv = words.includes('--env')
const names = words.filter((word) => word !== '--env')
const unknown = names.filter((name) => !(ENGINES as readonly string[]).includes(name))
if (unknown.length > 0) {
  process.stderr.write(`There is no engine ${unknown.join(', ')}: there are ${ENGINES.join(', ')}\n`)
  process.exit(2)
}

const running: RunningEngine[] = []
const stop = async () => {
  await Promise.all(running.map((engine) => engine.stop()))
  process.exit()
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop())

try {
  for (const name of names.length > 0 ? (names as EngineName[]) : ENGINES) running.push(await startEngine(name))
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
  await stop()
}

const env = Object.assign({}, ...running.map((engine) => engine.env)) as Record<string, string>
if (asEnv) for (const [variable, value] of Object.entries(env)) process.stdout.write(`${variable}=${value}\n`)
else {
  const engines = running.map(({ name, url, port, pid, dataDir }) => ({ name, url, port, pid, dataDir }))
  process.stdout.write(`${JSON.stringify({ engines, env })}\n`)
}
// Until a signal comes.
setInterval(() => undefined, 2 ** 30)
