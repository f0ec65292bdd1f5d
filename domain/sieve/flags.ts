// Lists of flags in the texts of a script (RFC 5232 §2): separated by blanks, each once in any case.
import { foldAscii } from './match.ts'

const MAX_FLAGS = 100

export function splitFlags(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => text.split(' ')).filter((flag) => flag !== '')
}

export function mergeFlags(flags: readonly string[], more: readonly string[]): readonly string[] {
  const known = new Set(flags.map(foldAscii))
  const merged = [...flags]
  for (const flag of more) {
    if (known.has(foldAscii(flag)) || merged.length >= MAX_FLAGS) continue
    known.add(foldAscii(flag))
    merged.push(flag)
  }
  return merged
}
