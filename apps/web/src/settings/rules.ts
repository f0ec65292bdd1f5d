// Filter rules as the server has them.
import {
  ACTIVATE_RULES,
  CHECK_RULES,
  DELETE_RULES,
  RENAME_RULES,
  RULES,
  SAVE_RULES,
  TEST_RULES,
} from '../data/documents.ts'
import { graphql } from '../data/graphql.ts'
import type { Address } from '../data/types.ts'

export interface Rules {
  readonly name: string
  readonly script: string
  readonly active: boolean
}

/** Line and column count from 1. */
export interface Problem {
  readonly line: number
  readonly column: number
  readonly message: string
}

export interface Tested {
  readonly message: {
    readonly id: string
    readonly subject: string
    readonly from: readonly Address[]
    readonly receivedAt: string
  }
  readonly actions: readonly {
    readonly action: 'KEEP' | 'FILEINTO' | 'REDIRECT' | 'DISCARD' | 'REJECT' | 'VACATION'
    readonly line: number | null
    readonly detail: string | null
    readonly flags: readonly string[]
    readonly note: string | null
  }[]
  readonly problem: Problem | null
}

interface Changed {
  readonly rules: readonly Rules[]
  readonly problems: readonly Problem[]
}

export const loadRules = async (signal: AbortSignal): Promise<readonly Rules[]> =>
  (await graphql<{ filterRules: readonly Rules[] }>(RULES, {}, signal)).filterRules

export const checkRules = async (script: string, signal: AbortSignal): Promise<readonly Problem[]> =>
  (await graphql<{ checkFilterRules: readonly Problem[] }>(CHECK_RULES, { script }, signal)).checkFilterRules

export const testRules = async (
  script: string,
  folderId: string,
  last: number,
): Promise<{ readonly problems: readonly Problem[]; readonly messages: readonly Tested[] }> =>
  (
    await graphql<{ testFilterRules: { problems: readonly Problem[]; messages: readonly Tested[] } }>(TEST_RULES, {
      script,
      folderId,
      last,
    })
  ).testFilterRules

async function change(document: string, variables: object): Promise<Changed> {
  const answer = await graphql<Record<string, Changed>>(document, variables)
  return Object.values(answer)[0] ?? { rules: [], problems: [] }
}

export const saveRules = (name: string, script: string) => change(SAVE_RULES, { name, script })
export const activateRules = (name: string | null) => change(ACTIVATE_RULES, { name })
export const renameRules = (name: string, newName: string) => change(RENAME_RULES, { name, newName })
export const deleteRules = (name: string) => change(DELETE_RULES, { name })
