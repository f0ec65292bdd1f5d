// The contract of the shared state against the memory engine.
import { MemorySharedState } from '../../gateways/limits/shared-state.ts'
import { sharedStateContract } from './shared-state.ts'

sharedStateContract('memory', async () => {
  let now = 0
  const state = new MemorySharedState(() => now)
  return {
    states: [state, state],
    pass: async (ms) => {
      now += ms
    },
  }
})
