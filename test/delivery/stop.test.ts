// A clean stop does not wait for hosts that take a connection and say nothing.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { it } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { openAccount } from '../../commands/open-account.ts'
import { submitMessage } from '../../commands/submit-message.ts'
import { readMail } from '../../domain/mail/read.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { temporaryFolder } from '../support/folders.ts'
import { startServer } from '../support/server.ts'

it('a silent host does not hold up the end of the process, and its mail still waits', {
  timeout: 60_000,
}, async (t) => {
  const data = temporaryFolder()
  const silent = createServer((socket) => void socket.on('error', () => undefined))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const everpost = await openEverpost(loadConfig({ data }, { EVERPOST_DNS_SERVERS: 'none' }, data))
  const opened = await openAccount(everpost.services, contextOf('cli', 'cli'), { address: 'ann@example.test' })
  assert.ok(opened.ok)
  const raw = Buffer.from('From: ann@example.test\r\nSubject: waits\r\n\r\nText.\r\n')
  const { journal, services, blobs } = everpost
  const submitted = await submitMessage(
    { journal, directory: services.directory },
    contextOf(opened.accountId, 'submission'),
    {
      accountId: opened.accountId,
      mailFrom: 'ann@example.test',
      recipients: ['bob@elsewhere.test'],
      blob: await blobs.put(raw),
      mail: readMail(raw),
    },
  )
  assert.ok(submitted.ok)
  await services.settle()
  await everpost.close()
  const connected = once(silent, 'connection')
  const route = `elsewhere.test=smtp://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const server = await startServer(data, { EVERPOST_ROUTES: route }, ['--role', 'delivery'])
  t.after(() => server.end('SIGKILL'))
  await connected
  await server.end('SIGTERM')
  const again = await openEverpost(loadConfig({ data }, { EVERPOST_DNS_SERVERS: 'none' }, data))
  t.after(() => again.close())
  const [waiting] = await again.services.submissions.pendingSubmissions({})
  assert.equal(waiting?.row.recipients[0]?.state, 'pending')
})
