// One line per engine. MongoDB's is in test/engines.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { FileKeyring } from '../../infra/adapters/keyring/file.ts'
import { temporaryFolder } from '../support/folders.ts'
import { keyringContract } from './keyring.ts'

keyringContract('file', async (t) => {
  const path = join(temporaryFolder(), 'keys.sqlite')
  const master = randomBytes(32)
  const open = (writable: boolean) => {
    const keyring = new FileKeyring(path, master, { writable })
    t.after(() => keyring.close())
    return keyring
  }
  return { keyring: open(true), another: async () => open(true), freshMs: 0 }
})
