// given(events).when(command).then(events) | .refused(code) | .quiet(): how deciders are specified here.
import assert from 'node:assert/strict'
import { account, mailbox, submission } from './aggregates.ts'

export interface Aggregate<State, Event, Command> {
  readonly initial: State
  readonly evolve: (state: State, event: Event, revision: bigint) => State
  readonly decide: (
    command: Command,
    state: State,
  ) => { readonly events: readonly Event[] } | { readonly refused: { readonly code: string; readonly message: string } }
}

export function specOf<State, Event, Command>(aggregate: Aggregate<State, Event, Command>) {
  return (...history: readonly (Event | readonly Event[])[]) => {
    const state = history
      .flat()
      .reduce<State>((now, event, i) => aggregate.evolve(now, event as Event, BigInt(i)), aggregate.initial)
    return {
      state,
      when(command: Command) {
        const decision = aggregate.decide(command, state)
        return {
          decision,
          // biome-ignore lint/suspicious/noThenProperty: given/when/then
          then(...events: readonly Event[]) {
            assert.ok('events' in decision, `refused: ${JSON.stringify(decision)}`)
            assert.deepEqual(decision.events, events)
          },
          quiet() {
            assert.deepEqual(decision, { events: [] })
          },
          refused(code: string) {
            assert.ok('refused' in decision, `not refused: ${JSON.stringify(decision)}`)
            assert.equal(decision.refused.code, code)
            assert.match(decision.refused.message, /^\S.*[.:!]|\)\.?$/, 'a sentence that a person can read')
          },
        }
      },
    }
  }
}

export const givenMailbox = specOf(mailbox)
export const givenAccount = specOf(account)
export const givenSubmission = specOf(submission)
