// One projector process over a SQLite log and MongoDB, for tests that kill it: says `ready`, ends cleanly on SIGTERM.
import { openEventSource } from '../../infra/adapters/journal/open-source.ts'
import { MongoProjectors } from '../../infra/projector/mongo-projectors.ts'

const { url, log, keyring, masterKey, name } = JSON.parse(process.argv[2] ?? '{}') as Record<string, string>
const source = await openEventSource({
  log: String(log),
  keyring: String(keyring),
  masterKey: Buffer.from(String(masterKey), 'base64'),
})
setInterval(() => source.poke(), 10)
const projectors = await MongoProjectors.start({
  url: String(url),
  source,
  projector: true,
  process: String(name),
  leaseMs: 5000,
  heartbeatMs: 100,
  onError: (error) => process.stderr.write(`${name}: ${error}\n`),
})
process.once('SIGTERM', async () => {
  await projectors.close()
  process.exit(0)
})
await projectors.ready()
process.send?.('ready')
