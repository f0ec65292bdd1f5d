// The tree view: what it answers is what the tree of the definition answers, at every size, after every restart.
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { join } from 'node:path'
import test from 'node:test'
import fc from 'fast-check'
import { extendsTree, GrowingTree, includes, leafHash } from '../../domain/audit/merkle.ts'
import { openTree, SqliteTree, treeDigest } from '../../infra/audit/sqlite-tree.ts'
import { temporaryFolder } from '../support/folders.ts'

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer')
const leafAt = (i: number) => leafHash(sha256, Buffer.from(`event ${i}`))

function write(tree: SqliteTree, leaves: readonly { position: bigint; leaf: Uint8Array }[]): void {
  const last = leaves.at(-1)
  if (last) tree.commit({ leaves: [...leaves] }, last.position, [])
}

test('roots, proofs and places over tile borders, with gaps in the positions and restarts between', () => {
  const folder = temporaryFolder()
  let file = 0
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 50 }),
      (batches, gapEvery) => {
        const path = join(folder, `tree-${file++}.sqlite`)
        new SqliteTree(path, 'fill').file.finish()
        const all: { position: bigint; leaf: Uint8Array }[] = []
        let position = 0n
        for (const count of batches) {
          const batch = Array.from({ length: count }, () => {
            position += all.length % gapEvery === 0 ? 3n : 1n
            const entry = { position, leaf: leafAt(all.length) }
            all.push(entry)
            return entry
          })
          const tree = new SqliteTree(path, 'live')
          write(tree, batch)
          tree.close()
        }
        const grown = new GrowingTree(sha256)
        const roots = [grown.root()]
        for (const { leaf } of all) {
          grown.append(leaf)
          roots.push(grown.root())
        }
        const { tree, close } = openTree(path)
        assert.equal(tree.size, all.length)
        assert.equal(tree.position, position)
        assert.deepEqual(
          [...tree.leaves()].map((each) => each.position),
          all.map((each) => each.position),
        )
        for (let size = 0; size <= all.length; size += 37) {
          const root = tree.rootAt(size)
          assert.deepEqual(Buffer.from(root), Buffer.from(roots[size] as Uint8Array))
          const claim = { first: size, firstRoot: root, second: all.length, secondRoot: grown.root() }
          assert.ok(extendsTree(sha256, claim, tree.consistency(size, all.length)))
        }
        for (let index = 0; index < all.length; index += 41) {
          const { position: at, leaf } = all[index] as (typeof all)[number]
          assert.equal(tree.indexOf(at), index)
          const claim = { leaf, index, size: all.length, root: grown.root() }
          assert.ok(includes(sha256, claim, tree.inclusion(index, all.length)))
        }
        assert.equal(tree.indexOf(0n), undefined)
        assert.equal(tree.indexOf(position + 1n), undefined)
        close()
      },
    ),
    { numRuns: 15 },
  )
})

test('a commit that fails leaves no trace', () => {
  const path = join(temporaryFolder(), 'tree.sqlite')
  new SqliteTree(path, 'fill').file.finish()
  const tree = new SqliteTree(path, 'live')
  write(tree, [{ position: 1n, leaf: leafAt(0) }])
  const broken = { position: 2n, type: 'X', error: null as unknown as string, at: 0 }
  assert.throws(() => tree.commit({ leaves: [{ position: 2n, leaf: leafAt(9) }] }, 2n, [broken]))
  write(tree, [{ position: 2n, leaf: leafAt(1) }])
  const other = join(temporaryFolder(), 'tree.sqlite')
  new SqliteTree(other, 'fill').file.finish()
  const second = new SqliteTree(other, 'live')
  write(second, [
    { position: 1n, leaf: leafAt(0) },
    { position: 2n, leaf: leafAt(1) },
  ])
  assert.equal(tree.digest(), second.digest())
  write(second, [{ position: 3n, leaf: leafAt(2) }])
  assert.notEqual(tree.digest(), second.digest())
  assert.equal(typeof treeDigest(openTree(path).tree), 'string')
  tree.close()
  second.close()
})
