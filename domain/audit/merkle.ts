// The hash tree of RFC 9162 §2.1 over a list that only grows: roots, proofs that an entry is in it, proofs that one tree extends
// another, and the checks of both. Pure: SHA-256 comes from outside. Written here because the room uses no packages.

/** SHA-256 of the bytes: 32 bytes. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array

export const HASH_BYTES = 32

/** MTH of one entry: SHA-256(0x00 || entry). */
export function leafHash(sha256: Sha256, entry: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + entry.length)
  bytes.set(entry, 1)
  return sha256(bytes)
}

/** MTH of two subtrees: SHA-256(0x01 || left || right). */
export function nodeHash(sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + 2 * HASH_BYTES)
  bytes[0] = 1
  bytes.set(left, 1)
  bytes.set(right, 1 + HASH_BYTES)
  return sha256(bytes)
}

/** Grows by one leaf at a time and knows its root, holding one hash for each bit of its size. */
export class GrowingTree {
  readonly #sha256: Sha256
  /** Roots of the full subtrees, largest first: one for each bit that is set in the size. */
  readonly #peaks: Uint8Array[] = []
  #size = 0

  constructor(sha256: Sha256) {
    this.#sha256 = sha256
  }

  get size(): number {
    return this.#size
  }

  append(leaf: Uint8Array): void {
    let node = leaf
    for (let size = this.#size; size % 2 === 1; size = Math.floor(size / 2)) {
      node = nodeHash(this.#sha256, this.#peaks.pop() as Uint8Array, node)
    }
    this.#peaks.push(node)
    this.#size++
  }

  root(): Uint8Array {
    const last = this.#peaks.at(-1)
    if (last === undefined) return this.#sha256(new Uint8Array(0))
    return this.#peaks.slice(0, -1).reduceRight((right, left) => nodeHash(this.#sha256, left, right), last)
  }
}

/** Hashes of full subtrees: `index` counts subtrees of 2^`level` leaves. Only subtrees that are complete are asked for. */
export type Nodes = (level: number, index: number) => Uint8Array

/** Root of the first `size` leaves. */
export function rootOf(sha256: Sha256, nodes: Nodes, size: number): Uint8Array {
  return size === 0 ? sha256(new Uint8Array(0)) : rangeHash(sha256, nodes, 0, size)
}

/** PATH(index, D_size) of RFC 9162 §2.1.3.1. Throws a RangeError unless 0 ≤ index < size. */
export function inclusionProof(sha256: Sha256, nodes: Nodes, index: number, size: number): Uint8Array[] {
  if (index < 0 || index >= size) throw new RangeError(`Leaf ${index} is not among ${size}`)
  const path: Uint8Array[] = []
  let begin = 0
  let end = size
  while (end - begin > 1) {
    const middle = begin + split(end - begin)
    if (index < middle) {
      path.push(rangeHash(sha256, nodes, middle, end))
      end = middle
    } else {
      path.push(rangeHash(sha256, nodes, begin, middle))
      begin = middle
    }
  }
  return path.reverse()
}

/** PROOF(first, D_second) of RFC 9162 §2.1.4.1; empty when both are equal or the first is empty. */
export function consistencyProof(sha256: Sha256, nodes: Nodes, first: number, second: number): Uint8Array[] {
  if (first < 0 || first > second)
    throw new RangeError(`A tree of ${first} leaves does not come before one of ${second}`)
  if (first === 0 || first === second) return []
  const path: Uint8Array[] = []
  let begin = 0
  let end = second
  // While the first tree ends where the current range does, its hash is known to the verifier only at the very start.
  let known = true
  while (first !== end) {
    const middle = begin + split(end - begin)
    if (first <= middle) {
      path.push(rangeHash(sha256, nodes, middle, end))
      end = middle
    } else {
      path.push(rangeHash(sha256, nodes, begin, middle))
      begin = middle
      known = false
    }
  }
  if (!known) path.push(rangeHash(sha256, nodes, begin, end))
  return path.reverse()
}

/** RFC 9162 §2.1.3.2: whether `leaf` is entry `index` of the tree of `size` leaves with this root. */
export function includes(
  sha256: Sha256,
  claim: { readonly leaf: Uint8Array; readonly index: number; readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  const { leaf, index, size, root } = claim
  if (!isCount(index) || !isCount(size) || index >= size) return false
  let fn = index
  let sn = size - 1
  let hash = leaf
  for (const part of proof) {
    if (sn === 0 || part.length !== HASH_BYTES) return false
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sha256, part, hash)
      while (fn % 2 === 0 && fn !== 0) {
        fn = fn / 2
        sn = Math.floor(sn / 2)
      }
    } else hash = nodeHash(sha256, hash, part)
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 && equal(hash, root)
}

/** RFC 9162 §2.1.4.2: whether the tree of `second` leaves begins with the very leaves of the tree of `first`. */
export function extendsTree(
  sha256: Sha256,
  claim: {
    readonly first: number
    readonly firstRoot: Uint8Array
    readonly second: number
    readonly secondRoot: Uint8Array
  },
  proof: readonly Uint8Array[],
): boolean {
  const { first, firstRoot, second, secondRoot } = claim
  if (!isCount(first) || !isCount(second) || first > second) return false
  if (first === second) return proof.length === 0 && equal(firstRoot, secondRoot)
  // Every tree extends the empty one.
  if (first === 0) return proof.length === 0 && equal(firstRoot, sha256(new Uint8Array(0)))
  const path = isPowerOfTwo(first) ? [firstRoot, ...proof] : [...proof]
  const seed = path.shift()
  if (seed === undefined || path.length === 0) return false
  let fn = first - 1
  let sn = second - 1
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  let older = seed
  let newer = seed
  for (const part of path) {
    if (sn === 0 || part.length !== HASH_BYTES) return false
    if (fn % 2 === 1 || fn === sn) {
      older = nodeHash(sha256, part, older)
      newer = nodeHash(sha256, part, newer)
      while (fn % 2 === 0 && fn !== 0) {
        fn = fn / 2
        sn = Math.floor(sn / 2)
      }
    } else newer = nodeHash(sha256, newer, part)
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 && equal(older, firstRoot) && equal(newer, secondRoot)
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** Hash of the leaves `begin` to `end`, where the range is one that RFC 9162's recursion meets: full subtrees are looked up. */
function rangeHash(sha256: Sha256, nodes: Nodes, begin: number, end: number): Uint8Array {
  const size = end - begin
  if (isPowerOfTwo(size)) return nodes(Math.log2(size), begin / size)
  const middle = begin + split(size)
  return nodeHash(sha256, rangeHash(sha256, nodes, begin, middle), rangeHash(sha256, nodes, middle, end))
}

/** The largest power of two below `size`. */
function split(size: number): number {
  let half = 1
  while (half * 2 < size) half *= 2
  return half
}

/** Also exact where a logarithm would round. */
const isPowerOfTwo = (n: number): boolean => n === 1 || (n > 1 && split(n) * 2 === n)
const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0
