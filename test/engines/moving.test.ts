// Mail in and out of the real engines, all of them at once: moved there and back while it comes in, and restored from a backup.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { runVerb } from '../../gateways/cli/run.ts'
import { restoreVerb } from '../../infra/backup/restore-verb.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { Cluster } from '../support/cluster.ts'
import { temporaryFolder } from '../support/folders.ts'
import { movesThereAndBack } from '../support/moving.ts'
import { bring, person, picture, terminal } from '../support/pictures.ts'

let cluster: Cluster
beforeEach(async () => {
  cluster = await Cluster.start(temporaryFolder())
})
afterEach(() => cluster.stop())

test('migrate-engine moves to every real engine and back while mail comes in', (t) =>
  movesThereAndBack(t, cluster.settings))

test('a backup of one machine is restored into empty real engines, and every view is made again and equal', async () => {
  const home = temporaryFolder()
  const from = await openEverpost(loadConfig({ data: join(home, 'data') }, { EVERPOST_DNS_SERVERS: 'none' }, home))
  const kim = await person(from, 'kim@example.test')
  await bring(from, home, 'kim@example.test', ['first', 'second', 'third'])
  const { io, said } = terminal(home)
  assert.equal(await runVerb(from.services, 'backup', ['backup', '--keys', 'keys.json'], io), 0, said.err)

  const data = join(home, 'other')
  const file = join(home, 'real.yaml')
  writeFileSync(file, JSON.stringify({ data, engines: cluster.settings, dns: { servers: 'none' } }))
  mkdirSync(join(data, 'keys'), { recursive: true })
  cpSync(join(home, 'data/keys/master.key'), join(data, 'keys/master.key'))
  const config = loadConfig({ file }, {}, home)
  assert.equal(await restoreVerb(config, ['backup', '--keys', 'keys.json'], io), 0, said.err)
  assert.match(said.out, /views made twice and equal/)
  const restored = await openEverpost(config)
  try {
    assert.deepEqual(await picture(restored, kim), await picture(from, kim))
  } finally {
    await restored.close()
    await from.close()
  }
})
