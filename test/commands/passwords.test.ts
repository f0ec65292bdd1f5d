import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { authenticate } from '../../commands/authenticate.ts'
import {
  hashPassword,
  hashSecret,
  MIN_PASSWORD,
  newSecret,
  passwordProblem,
  verifyPassword,
} from '../../commands/passwords.ts'
import { FakeDirectory } from '../support/journal.ts'

/** Made by the argon2 reference implementation: echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 32. */
const REFERENCE = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'

describe('passwords', () => {
  it('are argon2id PHC strings that the reference implementation would accept', async () => {
    assert.equal(await verifyPassword('password', REFERENCE), true)
    assert.equal(await verifyPassword('Password', REFERENCE), false)
  })
  it('verify against their own hash only, composed or not', async () => {
    const phc = await hashPassword('pässwörd lang')
    assert.match(phc, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    assert.equal(await verifyPassword('pa\u0308sswo\u0308rd lang', phc), true)
    assert.equal(await verifyPassword('pässwörd lang ', phc), false)
    assert.notEqual(await hashPassword('pässwörd lang'), phc)
  })
  it('are false for hashes that are none, and never throw', async () => {
    for (const phc of [
      '',
      'x',
      '$argon2i$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAA',
      '$2b$10$abcdefghijklmnopqrstuv',
      REFERENCE.slice(0, -1),
    ])
      assert.equal(await verifyPassword('password', phc), false, phc)
    assert.equal(await verifyPassword('x'.repeat(1001), REFERENCE), false)
  })
  it('have a sentence for what is wrong with them', () => {
    assert.match(passwordProblem('short') ?? '', /at least/)
    assert.match(passwordProblem('x'.repeat(1001)) ?? '', /at most/)
    assert.equal(passwordProblem('가'.repeat(MIN_PASSWORD)), undefined)
    assert.match(passwordProblem('😀'.repeat(MIN_PASSWORD - 1)) ?? '', /at least/)
  })
})

describe('authenticate', () => {
  it('does the work of a password check for accounts that do not exist', async () => {
    const directory = new FakeDirectory()
    directory.add('a', 'kim@example.test', { passwordHash: await hashPassword('correct horse') })
    const cpu = async (address: string) => {
      const from = process.cpuUsage()
      await authenticate(directory, address, 'wrong password')
      const { user, system } = process.cpuUsage(from)
      return user + system
    }
    await cpu('kim@example.test')
    const known = Math.min(await cpu('kim@example.test'), await cpu('kim@example.test'), await cpu('kim@example.test'))
    const unknown = Math.min(
      await cpu('lee@example.test'),
      await cpu('lee@example.test'),
      await cpu('lee@example.test'),
    )
    assert.ok(unknown > known / 3, `${unknown} µs of CPU for nobody, ${known} for somebody`)
  })
  it('takes the password, an app password, any case of the address; not a catch-all, an erased account, a wrong one', async () => {
    const directory = new FakeDirectory()
    const app = newSecret()
    const passwordHash = await hashPassword('correct horse')
    directory.add('a', 'kim@example.test', { passwordHash, appPasswords: [{ id: 'p', label: 'l', hash: app.hash }] })
    directory.add('b', 'gone@example.test', {
      passwordHash,
      erased: true,
      appPasswords: [{ id: 'p', label: 'l', hash: app.hash }],
    })
    directory.addresses.set('@example.test', 'a')
    assert.equal((await authenticate(directory, 'KIM@example.test', 'correct horse'))?.id, 'a')
    assert.equal((await authenticate(directory, 'kim@example.test', app.secret))?.id, 'a')
    for (const [address, password] of [
      ['kim@example.test', 'wrong'],
      ['kim@example.test', ''],
      ['someone-else@example.test', 'correct horse'],
      ['gone@example.test', 'correct horse'],
      ['gone@example.test', app.secret],
      ['kim', 'correct horse'],
      ['', ''],
    ] as const)
      assert.equal(await authenticate(directory, address, password), undefined, address)
  })
  it('makes secrets of 192 bits and keeps only their hash', () => {
    const { secret, hash } = newSecret()
    assert.equal(Buffer.from(secret, 'base64url').length, 24)
    assert.equal(hashSecret(secret), hash)
    assert.notEqual(secret, hash)
  })
})
