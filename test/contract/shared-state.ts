// What every engine of the shared state must keep: what one process says the others know, until its time is over.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SharedState } from '../../gateways/limits/shared-state.ts'

export interface OpenedStates {
  /** As two processes have it; the same one twice where there is only one. */
  readonly states: readonly [SharedState, SharedState]
  /** Moves the engine's clock on. */
  pass(ms: number): Promise<void>
}

export function sharedStateContract(engine: string, open: () => Promise<OpenedStates>): void {
  test(`${engine}: counts are those of all processes, and start afresh after a quiet time`, async () => {
    const { states, pass } = await open()
    const [one, two] = states
    assert.equal(await one.count('a', 1, 10_000), 1)
    assert.equal(await two.count('a', 2, 10_000), 3)
    assert.deepEqual(await one.counts(['b', 'a']), [0, 3])
    await one.drop('a')
    assert.equal(await two.count('a', 1, 10_000), 1)
    await pass(11_000)
    assert.deepEqual(await one.counts(['a']), [0])
    for (const state of states) await state.close()
  })

  test(`${engine}: permits of a rate are spent together, come back with time, and each key has its own`, async () => {
    const { states, pass } = await open()
    const [one, two] = states.map((state) => state.rate('guesses', { burst: 3, perSecond: 0.1 }))
    assert.ok(one && two)
    assert.equal(await one.wait('a', 3), 0)
    assert.deepEqual([await one.take('a'), await two.take('a', 2)], [true, true])
    assert.deepEqual([await one.take('a'), await two.take('a')], [false, false])
    assert.equal(await two.wait('a'), 10)
    assert.equal(await two.take('b', 3), true)
    assert.equal(await two.take('b', 4), false, 'more than there ever are')
    await pass(10_000)
    assert.deepEqual([await two.take('a'), await one.take('a')], [true, false])
    for (const state of states) await state.close()
  })

  test(`${engine}: a mark holds everywhere until its time is over`, async () => {
    const { states, pass } = await open()
    const [one, two] = states
    await one.mark('ended', 60_000)
    assert.equal(await two.marked('ended'), true)
    assert.equal(await two.marked('other'), false)
    await pass(61_000)
    assert.equal(await one.marked('ended'), false)
    assert.equal(await two.marked('ended'), false)
    for (const state of states) await state.close()
  })
}
