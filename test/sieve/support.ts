// A script on a message, and what came of it in one line an action.
import assert from 'node:assert/strict'
import { readMail } from '../../domain/mail/read.ts'
import { compileScript } from '../../domain/sieve/compile.ts'
import type { Problem } from '../../domain/sieve/limits.ts'
import { SieveMessage } from '../../domain/sieve/message.ts'
import type { Program } from '../../domain/sieve/program.ts'
import {
  runScript,
  type SieveAction,
  type SieveOutcome,
  type SieveRun,
  type SieveWorld,
} from '../../domain/sieve/run.ts'

export const NOW = Date.UTC(2026, 2, 1, 9, 30)

export function program(script: string): Program {
  const compiled = compileScript(script)
  assert.ok('program' in compiled, JSON.stringify(compiled))
  return compiled.program
}

export function problems(script: string): readonly string[] {
  const compiled = compileScript(script)
  return 'problems' in compiled ? compiled.problems.map(place) : []
}

const place = ({ line, column, message }: Problem) => `${line}:${column} ${message}`

export const bytes = (text: string): Buffer => Buffer.from(text.replace(/\r?\n/g, '\r\n'))

export function world(raw: Uint8Array, options: Partial<SieveWorld> = {}): SieveWorld {
  const { root } = readMail(raw)
  return {
    message: new SieveMessage({ raw, size: raw.length, root }),
    mailFrom: 'theo@example.com',
    recipient: 'kim@example.test',
    now: NOW,
    zone: 0,
    folderExists: () => false,
    hasSpecialUse: () => false,
    seen: () => false,
    environment: {},
    ...options,
  }
}

export function outcomeOf(run: SieveRun): SieveOutcome {
  assert.ok('actions' in run, 'the script asked for an id')
  return run
}

export function run(script: string, message: string | Uint8Array, options: Partial<SieveWorld> = {}): SieveOutcome {
  const raw = typeof message === 'string' ? bytes(message) : message
  return outcomeOf(runScript(program(script), world(raw, options)))
}

/** `keep`, `fileinto A/B (\seen)`, `redirect a@b`, … */
export const said = ({ actions }: SieveOutcome): readonly string[] => actions.map(sayAction)

export function sayAction(action: SieveAction): string {
  switch (action.type) {
    case 'keep':
      return `keep${flags(action.flags)}`
    case 'fileinto':
      return `fileinto ${action.mailbox}${flags(action.flags)}`
    case 'redirect':
      return `redirect ${action.address}`
    case 'discard':
      return 'discard'
    case 'reject':
      return `reject ${action.reason}`
    case 'vacation':
      return `vacation ${action.seconds} ${action.subject ?? ''}: ${action.reason.trim()}`
    default: {
      const _: never = action
      return _
    }
  }
}

const flags = (given: readonly string[]) => (given.length === 0 ? '' : ` (${given.join(' ').toLowerCase()})`)

/** Which of the named tests are true of a message: each becomes `if TEST { addflag NAME; }`. */
export function holding(require: readonly string[], tests: Readonly<Record<string, string>>): string {
  const extensions = [...new Set(['imap4flags', ...require])].map((name) => JSON.stringify(name)).join(', ')
  const checks = Object.entries(tests).map(([name, test]) => `if ${test} { addflag ${JSON.stringify(name)}; }`)
  return `require [${extensions}];\n${checks.join('\n')}\n`
}
