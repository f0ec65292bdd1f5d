// An erasure that a crash interrupted is finished by the next start.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { changeAccount } from '../../commands/change-account.ts'
import { contextOf } from '../../commands/context.ts'
import { openAccount } from '../../commands/open-account.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { startServer } from '../../infra/serve.ts'
import { temporaryFolder } from '../support/folders.ts'

const OFF = ['HTTP', 'SMTP', 'SUBMISSION', 'SUBMISSIONS', 'IMAP', 'IMAPS', 'POP3', 'POP3S', 'MANAGESIEVE']

it('the key of an account that was erased on the log is gone after a start', async () => {
  const data = temporaryFolder()
  const config = loadConfig({ data }, Object.fromEntries(OFF.map((name) => [`EVERPOST_${name}_PORT`, 'off'])), data)
  const before = await openEverpost(config)
  const opened = await openAccount(before.services, contextOf('test', 'cli'), { address: 'ann@example.test' })
  assert.ok(opened.ok)
  // What `account erase` does first; then the power fails.
  await changeAccount(before.journal, contextOf('test', 'cli'), opened.accountId, { type: 'EraseAccount' })
  assert.ok(before.keyring.dataKey(opened.accountId))
  await before.close()
  const server = await startServer(config)
  try {
    await server.erasuresFinished
    assert.equal(server.everpost.keyring.dataKey(opened.accountId), undefined)
  } finally {
    await server.stop()
  }
})
