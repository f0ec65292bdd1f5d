// Ascending positions as runs: a first one and the small differences that follow it, a few hundred in a row.

export interface Run {
  readonly first: number
  readonly rest: Uint8Array | null
  /** The last position in it, where it is known. */
  readonly last?: number
}

/** A run is full at this many bytes of differences: rewriting it stays cheap, and its key costs little. */
const FULL = 384

/** Room for a full run and one more difference. */
const room = new Uint8Array(FULL + 8)

/** The runs to write when `positions` follow `tail`, the last run so far. */
export function extend(tail: Run | undefined, positions: readonly number[]): Run[] {
  const runs: Run[] = []
  let first = tail?.first
  let last = tail === undefined ? 0 : lastOf(tail)
  let length = tail?.rest?.length ?? 0
  if (tail?.rest) room.set(tail.rest)
  const run = () => {
    if (first !== undefined) runs.push({ first, rest: length === 0 ? null : room.slice(0, length), last })
  }
  for (const position of positions) {
    if (first === undefined || length >= FULL) {
      run()
      first = position
      length = 0
    } else {
      let difference = position - last
      while (difference >= 128) {
        room[length++] = (difference % 128) | 128
        difference = Math.floor(difference / 128)
      }
      room[length++] = difference
    }
    last = position
  }
  run()
  return runs
}

function lastOf({ first, rest, last }: Run): number {
  return last ?? unpack(first, rest).at(-1) ?? first
}

export function unpack(first: number, rest: Uint8Array | null): number[] {
  const positions = [first]
  if (rest === null) return positions
  let position = first
  let difference = 0
  let scale = 1
  for (const byte of rest) {
    difference += (byte & 127) * scale
    scale *= 128
    if (byte < 128) {
      position += difference
      positions.push(position)
      difference = 0
      scale = 1
    }
  }
  return positions
}
