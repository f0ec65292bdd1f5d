// One small file for each follower of the log, replaced whole.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckpointStore } from '../../../commands/ports/checkpoint-store.ts'
import type { Position } from '../../../domain/log.ts'

export class CheckpointFiles implements CheckpointStore {
  readonly #folder: string
  readonly #saved = new Map<string, Position>()

  constructor(folder: string) {
    this.#folder = folder
  }

  async load(name: string): Promise<Position | undefined> {
    try {
      const text = readFileSync(this.#path(name), 'utf8').trim()
      // A file that was cut by a crash is none: the follower looks again.
      return /^\d{1,18}$/.test(text) ? BigInt(text) : undefined
    } catch {
      return undefined
    }
  }

  async save(name: string, position: Position): Promise<void> {
    if (this.#saved.get(name) === position) return
    mkdirSync(this.#folder, { recursive: true })
    const path = this.#path(name)
    writeFileSync(`${path}.new`, `${position}\n`)
    renameSync(`${path}.new`, path)
    this.#saved.set(name, position)
  }

  #path(name: string): string {
    return join(this.#folder, name)
  }
}
