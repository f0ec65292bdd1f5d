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
