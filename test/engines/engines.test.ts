// The engines that the suites run against: each starts on loopback, is killed, and comes back on its port with its data folder.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'
import { ENGINES, startEngine } from '../../infra/deploy/engines/engines.ts'

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

for (const name of ENGINES) {
  test(`${name}: starts, is killed, comes back on the same port, and leaves nothing`, async () => {
    const engine = await startEngine(name)
    try {
      const { port, pid, dataDir } = engine
      assert.equal(await answers(port), true)
      await engine.kill()
      assert.equal(await answers(port), false)
      await engine.restart()
      assert.equal(await answers(port), true)
      assert.notEqual(engine.pid, pid)
      await engine.stop()
      assert.equal(await answers(port), false)
      assert.equal(existsSync(dataDir), false)
    } finally {
      await engine.stop()
    }
  })
}
