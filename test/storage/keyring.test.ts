import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it, type TestContext } from 'node:test'
import { FileKeyring, KeyringError, masterKeyFromFile } from '../../infra/adapters/keyring/file.ts'
import { temporaryFolder } from '../support/folders.ts'

const failsWith = (code: string) => (error: unknown) =>
  error instanceof KeyringError && error.code === code && /\.|:/.test(error.message)

function open(t: TestContext) {
  const dir = temporaryFolder()
  const path = join(dir, 'keyring.sqlite')
  const master = masterKeyFromFile(join(dir, 'master.key'), true)
  const keyring = new FileKeyring(path, master, { writable: true })
  t.after(() => keyring.close())
  return { dir, path, master, keyring }
}

describe('the master key', () => {
  it('is made once, for its owner alone, and read again', () => {
    const path = join(temporaryFolder(), 'keys', 'master.key')
    const key = masterKeyFromFile(path, true)
    assert.equal(key.length, 32)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.deepEqual(masterKeyFromFile(path, true), key)
    assert.deepEqual(masterKeyFromFile(path, false), key)
  })
  it('is asked for when it is missing, and never replaced then', () => {
    const path = join(temporaryFolder(), 'master.key')
    assert.throws(() => masterKeyFromFile(path, false), failsWith('no-master-key'))
    assert.throws(() => statSync(path))
  })
  it('is made again when the first start was killed in the middle of it', () => {
    const path = join(temporaryFolder(), 'master.key')
    writeFileSync(`${path}.new`, 'half')
    chmodSync(`${path}.new`, 0o600)
    assert.equal(masterKeyFromFile(path, true).length, 32)
  })
  it('is refused when it is none', () => {
    const path = join(temporaryFolder(), 'master.key')
    writeFileSync(path, 'short\n')
    assert.throws(() => masterKeyFromFile(path, true), failsWith('wrong-master-key'))
  })
})

describe('the keyring', () => {
  it('makes a key once and keeps it', async (t) => {
    const { path, master, keyring } = open(t)
    await keyring.create('ann')
    const key = Buffer.from(keyring.dataKey('ann') ?? [])
    assert.equal(key.length, 32)
    await keyring.create('ann')
    assert.deepEqual(Buffer.from(keyring.dataKey('ann') ?? []), key)
    assert.equal(keyring.dataKey('bob'), undefined)
    const again = new FileKeyring(path, master, { writable: false })
    assert.deepEqual(Buffer.from(again.dataKey('ann') ?? []), key)
    again.close()
  })
  it('does not open with another master key, or without its file', async (t) => {
    const { dir, path } = open(t)
    assert.throws(() => new FileKeyring(path, randomBytes(32), { writable: true }), failsWith('wrong-master-key'))
    assert.throws(() => new FileKeyring(join(dir, 'other.sqlite'), randomBytes(32), { writable: false }))
  })
  it('does not give one account the key of another', async (t) => {
    const { path, master, keyring } = open(t)
    await keyring.create('ann')
    await keyring.create('bob')
    const db = new DatabaseSync(path)
    db.exec("UPDATE data_key SET wrapped = (SELECT wrapped FROM data_key WHERE owner = 'ann') WHERE owner = 'bob'")
    db.close()
    const again = new FileKeyring(path, master, { writable: false })
    assert.throws(() => again.dataKey('bob'), failsWith('wrong-master-key'))
    again.close()
  })
  it('leaves no byte of a destroyed key in any file, though other threads have the keyring open', async (t) => {
    const { dir, path, master, keyring } = open(t)
    const reader = new FileKeyring(path, master, { writable: false })
    t.after(() => reader.close())
    for (let i = 0; i < 200; i++) await keyring.create(`account-${i}`)
    const db = new DatabaseSync(path, { readOnly: true })
    const wrapped = (id: string) =>
      Buffer.from(db.prepare('SELECT wrapped FROM data_key WHERE owner = ?').get(id)?.['wrapped'] as Uint8Array)
    const doomed = [7, 100, 199].map((i) => ({ id: `account-${i}`, bytes: wrapped(`account-${i}`) }))
    const kept = wrapped('account-8')
    db.close()
    reader.dataKey('account-7')
    for (const { id } of doomed) await keyring.destroy(id)
    const onDisk = Buffer.concat(
      readdirSync(dir)
        .filter((name) => name !== 'master.key')
        .map((name) => readFileSync(join(dir, name))),
    )
    assert.ok(onDisk.includes(kept), 'the search finds what is there')
    for (const { id, bytes } of doomed) {
      assert.ok(!onDisk.includes(bytes.subarray(12, 44)), `${id} is on the disk still`)
      assert.equal(keyring.dataKey(id), undefined)
    }
    reader.forget('account-7')
    assert.equal(reader.dataKey('account-7'), undefined)
    assert.ok(keyring.dataKey('account-8'))
  })
  it('hashes names with a secret, and derives keys that stay the same', (t) => {
    const { path, master, keyring } = open(t)
    const again = new FileKeyring(path, master, { writable: true })
    assert.match(keyring.nameHash('kim@example.test'), /^[0-9a-f]{40}$/)
    assert.equal(again.nameHash('kim@example.test'), keyring.nameHash('kim@example.test'))
    assert.deepEqual(again.derive('session'), keyring.derive('session'))
    assert.notDeepEqual(keyring.derive('link'), keyring.derive('session'))
    again.close()
    const other = open(t)
    assert.notEqual(other.keyring.nameHash('kim@example.test'), keyring.nameHash('kim@example.test'))
    rmSync(other.dir, { recursive: true })
  })
})
