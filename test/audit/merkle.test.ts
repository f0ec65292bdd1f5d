// The hash tree: the vectors of the Certificate Transparency test suite, and random trees in which every proof must hold.
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import test from 'node:test'
import fc from 'fast-check'
import {
  consistencyProof,
  extendsTree,
  GrowingTree,
  includes,
  inclusionProof,
  leafHash,
  type Nodes,
  nodeHash,
  rootOf,
} from '../../domain/audit/merkle.ts'

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer')
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const ENTRIES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
const CONSISTENCY: readonly [number, number, readonly string[]][] = [
  [1, 1, []],
  [
    1,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    6,
    8,
    [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [
    2,
    5,
    [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
]
const INCLUSION: readonly [number, number, readonly string[]][] = [
  [0, 1, []],
  [
    0,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    5,
    8,
    [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
]

/** Any full subtree, straight from the definition. */
const nodesOf =
  (leaves: readonly Uint8Array[]): Nodes =>
  (level, index) => {
    if (level === 0) return leaves[index] as Uint8Array
    const nodes = nodesOf(leaves)
    return nodeHash(sha256, nodes(level - 1, 2 * index), nodes(level - 1, 2 * index + 1))
  }

const vectors = ENTRIES.map((entry) => leafHash(sha256, Buffer.from(entry, 'hex')))
const some = (n: number) => Array.from({ length: n }, (_, i) => leafHash(sha256, Buffer.from(`leaf ${i}`)))

test('roots, inclusion and consistency are those of the Certificate Transparency vectors', () => {
  const nodes = nodesOf(vectors)
  const tree = new GrowingTree(sha256)
  for (const [size, root] of ROOTS.entries()) {
    assert.equal(hex(tree.root()), root)
    assert.equal(hex(rootOf(sha256, nodes, size)), root)
    const leaf = vectors[size]
    if (leaf) tree.append(leaf)
  }
  for (const [index, size, proof] of INCLUSION)
    assert.deepEqual(inclusionProof(sha256, nodes, index, size).map(hex), proof)
  for (const [first, second, proof] of CONSISTENCY)
    assert.deepEqual(consistencyProof(sha256, nodes, first, second).map(hex), proof)
})

test('every inclusion proof of a random tree holds, and no other claim does', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat(), (size, at, bit) => {
      const leaves = some(size)
      const nodes = nodesOf(leaves)
      const root = rootOf(sha256, nodes, size)
      for (const [index, leaf] of leaves.entries()) {
        const proof = inclusionProof(sha256, nodes, index, size)
        const claim = { leaf, index, size, root }
        assert.ok(includes(sha256, claim, proof))
        assert.ok(!includes(sha256, { ...claim, leaf: flipped(leaf, bit) }, proof))
        assert.ok(!includes(sha256, { ...claim, root: flipped(root, bit) }, proof))
        assert.ok(!includes(sha256, { ...claim, index: index + 1 }, proof))
        assert.ok(!includes(sha256, claim, [...proof, root]))
        if (proof.length === 0) continue
        const part = at % proof.length
        const changed = proof.map((each, i) => (i === part ? flipped(each, bit) : each))
        assert.ok(!includes(sha256, claim, changed))
        assert.ok(!includes(sha256, claim, proof.slice(1)))
      }
    }),
    { numRuns: 40 },
  )
})

test('every consistency proof of a random tree holds, and no other claim does', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat(), (second, at, bit) => {
      const nodes = nodesOf(some(second))
      const secondRoot = rootOf(sha256, nodes, second)
      for (let first = 0; first <= second; first++) {
        const proof = consistencyProof(sha256, nodes, first, second)
        const claim = { first, firstRoot: rootOf(sha256, nodes, first), second, secondRoot }
        assert.ok(extendsTree(sha256, claim, proof), `${first} to ${second}`)
        assert.ok(!extendsTree(sha256, { ...claim, firstRoot: flipped(claim.firstRoot, bit) }, proof))
        if (first > 0) assert.ok(!extendsTree(sha256, { ...claim, secondRoot: flipped(secondRoot, bit) }, proof))
        assert.ok(!extendsTree(sha256, claim, [...proof, secondRoot]))
        if (proof.length === 0) continue
        const part = at % proof.length
        assert.ok(
          !extendsTree(
            sha256,
            claim,
            proof.map((each, i) => (i === part ? flipped(each, bit) : each)),
          ),
        )
      }
    }),
    { numRuns: 25 },
  )
})

test('a tree of a million leaves is grown with one hash a bit of its size', () => {
  const tree = new GrowingTree((bytes) => bytes.slice(0, 32))
  for (let i = 0; i < 1_000_000; i++) tree.append(new Uint8Array(32))
  assert.equal(tree.size, 1_000_000)
})

test('proofs of leaves that are not there are refused', () => {
  const nodes = nodesOf(vectors)
  assert.throws(() => inclusionProof(sha256, nodes, 8, 8), RangeError)
  assert.throws(() => consistencyProof(sha256, nodes, 9, 8), RangeError)
  const root = rootOf(sha256, nodes, 8)
  const claim = { first: 9, firstRoot: root, second: 8, secondRoot: root }
  assert.ok(!extendsTree(sha256, claim, []))
  assert.ok(!includes(sha256, { leaf: vectors[0] as Uint8Array, index: Number.NaN, size: 8, root }, []))
})

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  const at = bit % (copy.length * 8)
  copy[at >> 3] = (copy[at >> 3] ?? 0) ^ (1 << (at & 7))
  return copy
}
