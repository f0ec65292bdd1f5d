// What every keyring must do. Run by one line per engine.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { OpenKeyring } from '../../infra/adapters/keyring/wrapping.ts'

export interface TestKeyring {
  readonly keyring: OpenKeyring
  /** Another process' view of the same keys. */
  another(): Promise<OpenKeyring>
  /** How long another process may go on with a key that was destroyed here, milliseconds. */
  readonly freshMs: number
}
export type OpenTestKeyring = (t: TestContext) => Promise<TestKeyring>

export async function keyOf(keyring: OpenKeyring, account: string): Promise<string | undefined> {
  await keyring.load?.([account])
  const key = keyring.dataKey(account)
  return key && Buffer.from(key).toString('hex')
}

export function keyringContract(engine: string, open: OpenTestKeyring): void {
  describe(`Keyring contract: ${engine}`, () => {
    it('makes a key once, of 32 bytes, and every process has the same', async (t) => {
      const { keyring, another } = await open(t)
      assert.equal(await keyOf(keyring, 'ann'), undefined)
      await keyring.create('ann')
      const key = await keyOf(keyring, 'ann')
      assert.equal(key?.length, 64)
      await keyring.create('ann')
      await (await another()).create('ann')
      assert.equal(await keyOf(keyring, 'ann'), key)
      assert.equal(await keyOf(await another(), 'ann'), key)
      await keyring.create('bob')
      assert.notEqual(await keyOf(keyring, 'bob'), key)
    })

    it('sees an account that was opened elsewhere after it was looked for in vain', async (t) => {
      const { keyring, another } = await open(t)
      const other = await another()
      assert.equal(await keyOf(other, 'ann'), undefined)
      await keyring.create('ann')
      assert.equal(await keyOf(other, 'ann'), await keyOf(keyring, 'ann'))
    })

    it('destroys a key for good, in other processes within its time or once told', async (t) => {
      const { keyring, another, freshMs } = await open(t)
      const [told, untold] = [await another(), await another()]
      await keyring.create('ann')
      await keyring.create('bob')
      const before = await keyOf(told, 'ann')
      await keyOf(untold, 'ann')
      const since = performance.now()
      await keyring.destroy('ann')
      assert.equal(await keyOf(keyring, 'ann'), undefined)
      told.forget('ann')
      assert.equal(await keyOf(told, 'ann'), undefined)
      if (untold.load !== undefined) {
        while ((await keyOf(untold, 'ann')) !== undefined) assert.ok(performance.now() - since < freshMs + 2_000)
      }
      assert.notEqual(await keyOf(keyring, 'bob'), undefined)
      // Opened again, the account has another key: nothing old becomes readable.
      await keyring.create('ann')
      assert.notEqual(await keyOf(keyring, 'ann'), before)
    })

    it('hashes names and derives keys alike everywhere', async (t) => {
      const { keyring, another } = await open(t)
      const other = await another()
      assert.match(keyring.nameHash('ann@example.test'), /^[0-9a-f]{40}$/)
      assert.equal(other.nameHash('ann@example.test'), keyring.nameHash('ann@example.test'))
      assert.notEqual(keyring.nameHash('bob@example.test'), keyring.nameHash('ann@example.test'))
      assert.deepEqual(other.derive('session'), keyring.derive('session'))
      assert.equal(keyring.dataKey('system')?.length, 32)
    })
  })
}
