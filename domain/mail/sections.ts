// IMAP section numbers (RFC 9051 §6.4.5.1) of a part tree.
import type { MimePart } from './structure.ts'

/**
 * The part that a section number names: '' is the message itself, '1' the body of a message of one part, '2.1' a part of
 * the multipart or of the message that '2' is. Undefined when there is none.
 */
export function partAt(root: MimePart, section: string): MimePart | undefined {
  if (section === '') return root
  if (!/^[1-9]\d{0,8}(?:\.[1-9]\d{0,8})*$/.test(section)) return undefined
  let part: MimePart = root
  for (const [depth, number] of section.split('.').map(Number).entries()) {
    const container: MimePart | undefined = depth === 0 || part.parts !== undefined ? part : part.message?.root
    if (container === undefined) return undefined
    const next: MimePart | undefined =
      container.parts === undefined ? (number === 1 ? container : undefined) : container.parts[number - 1]
    if (next === undefined) return undefined
    part = next
  }
  return part
}

/** Every part that a section number names, outermost first, in the message's order; the root multipart is ''. */
export function* walkParts(root: MimePart): Generator<{ readonly section: string; readonly part: MimePart }> {
  if (root.parts !== undefined) yield { section: '', part: root }
  yield* walk(root, '')
}

function* walk(container: MimePart, prefix: string): Generator<{ readonly section: string; readonly part: MimePart }> {
  const parts = container.parts ?? [container]
  for (const [i, part] of parts.entries()) {
    const section = `${prefix}${i + 1}`
    yield { section, part }
    if (part.parts !== undefined) yield* walk(part, `${section}.`)
    else if (part.message !== undefined) yield* walk(part.message.root, `${section}.`)
  }
}
