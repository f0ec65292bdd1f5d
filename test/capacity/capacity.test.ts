// The plan for 10^9 accounts: its arithmetic, what happens to it when an assumption changes, and that its page says what it says.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { CELL, cells, demand, LOAD, MEASURED, storage } from '../../infra/capacity/model.ts'
import { capacityPage } from '../../infra/capacity/report.ts'
import { MEASURED_COSTS, projectorSpeedup, simulate } from '../../infra/capacity/simulate.ts'

describe('the plan', () => {
  it('is the arithmetic of the question', () => {
    const { sendsPerSecond, arrivalsPerSecond } = demand(LOAD)
    assert.equal(Math.round(sendsPerSecond), 115_741)
    assert.equal(Math.round(arrivalsPerSecond), 462_963)
    const [metadata, attachments] = storage(LOAD, MEASURED, CELL)
    assert.equal(Math.round((metadata?.bytes ?? 0) / 1e15), 730)
    assert.equal(Math.round((attachments?.bytes ?? 0) / 1e15), 1460)
  })

  it('needs cells in proportion to the accounts, and fewer when an engine bears more', () => {
    const some = cells({ ...LOAD, accounts: 1e8 }, MEASURED, CELL).cells
    const all = cells(LOAD, MEASURED, CELL).cells
    assert.ok(Math.abs(all / some - 10) < 0.1, `${all} and ${some}`)
    const bound = cells(LOAD, MEASURED, CELL).boundBy
    const better = { ...CELL, eventStoreAppends: CELL.eventStoreAppends * 2, searchShards: CELL.searchShards * 2 }
    assert.ok(cells(LOAD, MEASURED, better).cells < all, bound)
  })

  it('is what docs/explanation/capacity.md says', () => {
    const docs = join(import.meta.dirname, '../../docs/explanation')
    const { page, plots } = capacityPage()
    assert.equal(readFileSync(join(docs, 'capacity.md'), 'utf8'), page, 'run: node infra/capacity/report.ts')
    for (const [name, plot] of Object.entries(plots)) assert.equal(readFileSync(join(docs, name), 'utf8'), plot, name)
  })
})

describe('the simulation', () => {
  it('gives the same for the same seed, and evens out what is hot by moving few', () => {
    const one = simulate({ accounts: 20_000, cells: 20 })
    assert.deepEqual(one, simulate({ accounts: 20_000, cells: 20 }))
    assert.ok(one.busiestAfterMoving < one.busiest)
    assert.ok(one.moved < 0.25, String(one.moved))
  })

  it('has three projectors do at least twice the work of one', () => {
    for (let seed = 0; seed < 20; seed++) {
      const times = projectorSpeedup(3, MEASURED_COSTS, seed)
      assert.ok(times >= 2, `${times} with names ${seed}`)
    }
  })

  it('loses one cell alone, and splits one without touching others', () => {
    const { lost, splitMoves, splitMovesOthers } = simulate({ accounts: 20_000, cells: 20 })
    assert.ok(Math.abs(lost - 1 / 20) < 0.02, String(lost))
    assert.ok(Math.abs(splitMoves - 0.5) < 0.1, String(splitMoves))
    assert.equal(splitMovesOthers, 0)
  })
})
