// Mail that the filter holds for the person, as the server has it.
import { DROP_QUARANTINED, QUARANTINE, RELEASE_QUARANTINED } from '../data/documents.ts'
import { graphql } from '../data/graphql.ts'
import type { Verdict } from '../data/types.ts'

export interface HeldMail {
  readonly id: string
  readonly from: string
  readonly mailFrom: string
  readonly subject: string
  readonly receivedAt: string
  readonly size: number
  readonly verdict: Verdict & { readonly malware: boolean }
}

export const HELD_SHOWN = 50

/** The newest `HELD_SHOWN`. */
export const loadQuarantine = async (signal: AbortSignal): Promise<readonly HeldMail[]> =>
  (await graphql<{ quarantine: readonly HeldMail[] }>(QUARANTINE, { first: HELD_SHOWN }, signal)).quarantine

export const release = (id: string) => graphql<unknown>(RELEASE_QUARANTINED, { id })
export const drop = (id: string) => graphql<unknown>(DROP_QUARANTINED, { id })
