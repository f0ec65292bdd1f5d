// Settings that are secrets come from files, as container engines mount them: EVERPOST_X_FILE names the file of EVERPOST_X.
import { readFileSync } from 'node:fs'

/** The environment with every EVERPOST_…_FILE replaced by what its file holds. Throws with the variable's name. */
export function withSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const filled: NodeJS.ProcessEnv = {}
  for (const [name, value] of Object.entries(env)) {
    const setting = /^(EVERPOST_[A-Z0-9_]+)_FILE$/.exec(name)?.[1]
    if (setting === undefined) {
      filled[name] ??= value
      continue
    }
    try {
      filled[setting] = readFileSync(value ?? '', 'utf8').trim()
    } catch (error) {
      throw new Error(`${name} names the file ${value}, which cannot be read: ${(error as Error).message}`)
    }
  }
  return filled
}
