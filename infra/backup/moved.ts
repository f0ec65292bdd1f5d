// Mail that has moved on to other engines leaves a note, so that nobody starts on the old ones by mistake.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const noteIn = (data: string): string => join(data, 'moved.json')

/** The data folder that mail moved on to; undefined while it is here. */
export function movedTo(data: string): string | undefined {
  const file = noteIn(data)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { to: string }).to : undefined
}

export const sayMoved = (data: string, to: string): void =>
  writeFileSync(noteIn(data), `${JSON.stringify({ to, at: new Date().toISOString() })}\n`, { flush: true })
