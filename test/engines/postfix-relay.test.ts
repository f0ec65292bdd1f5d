// A real Postfix both ways: it takes what Everpost sends and hands it on, and hands Everpost what it is given.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { openAccount } from '../../commands/open-account.ts'
import { submitMessage } from '../../commands/submit-message.ts'
import { readMail } from '../../domain/mail/read.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { temporaryFolder } from '../support/folders.ts'
import { everpost, startServer } from '../support/server.ts'
import { startSink } from '../support/smtp-sink.ts'

const PORT = 20_225
const skip = existsSync('/usr/sbin/postfix') ? false : 'Postfix is not installed'

/** Relays the domains to the hosts given, and nothing else. */
function startPostfix(t: TestContext, transports: Readonly<Record<string, number>>): void {
  // A folder of its own: it must outlive the order to stop.
  const place = mkdtempSync(join(tmpdir(), 'everpost-postfix-'))
  chmodSync(place, 0o755)
  for (const name of ['conf', 'queue', 'data']) mkdirSync(join(place, name), { recursive: true, mode: 0o755 })
  chownSync(join(place, 'data'), Number(spawnSync('id', ['-u', 'postfix'], { encoding: 'utf8' }).stdout), -1)
  const to = Object.entries(transports).map(([domain, port]) => `{${domain}=smtp:[127.0.0.1]:${port}}`)
  const settings = [
    'compatibility_level = 3.6',
    `queue_directory = ${place}/queue`,
    `data_directory = ${place}/data`,
    'command_directory = /usr/sbin',
    'daemon_directory = /usr/lib/postfix/sbin',
    'mail_owner = postfix',
    'setgid_group = postdrop',
    `maillog_file = ${place}/maillog`,
    `maillog_file_prefixes = ${place}`,
    'inet_interfaces = 127.0.0.1',
    'inet_protocols = ipv4',
    'mynetworks = 127.0.0.0/8',
    'myhostname = peer.example.test',
    'mydestination =',
    'local_recipient_maps =',
    'alias_maps =',
    `transport_maps = inline:{ ${to.join(' ')} }`,
    'default_transport = error:not here',
    'relay_transport = error:not here',
    'smtpd_relay_restrictions = permit_mynetworks, reject',
    'smtpd_recipient_restrictions = check_recipient_access inline:{ {gone@far.test=550 5.1.1 No such user} }, permit',
    'disable_dns_lookups = yes',
    'smtpd_peername_lookup = no',
    'smtp_tls_security_level = may',
  ]
  writeFileSync(join(place, 'conf', 'main.cf'), `${settings.join('\n')}\n`)
  const services = [
    `127.0.0.1:${PORT} inet n - n - - smtpd`,
    'cleanup unix n - n - 0 cleanup',
    'qmgr unix n - n 300 1 qmgr',
    'rewrite unix - - n - - trivial-rewrite',
    ...['bounce', 'defer', 'trace'].map((name) => `${name} unix - - n - 0 bounce`),
    'proxymap unix - - n - - proxymap',
    'tlsmgr unix - - n 1000? 1 tlsmgr',
    'smtp unix - - n - - smtp',
    'error unix - - n - - error',
    'retry unix - - n - - error',
    'anvil unix - - n - 1 anvil',
    'scache unix - - n - 1 scache',
    'postlog unix-dgram n - n - 1 postlogd',
  ]
  writeFileSync(join(place, 'conf', 'master.cf'), `${services.join('\n')}\n`)
  const run = (verb: string) => spawnSync('postfix', ['-c', join(place, 'conf'), verb], { stdio: 'ignore' })
  assert.equal(run('start').status, 0)
  t.after(() => {
    run('stop')
    rmSync(place, { recursive: true, force: true })
  })
}

test('Everpost and Postfix take mail from one another', { skip, timeout: 60_000 }, async (t) => {
  const data = temporaryFolder()
  const sink = await startSink(t)
  const closed = await openEverpost(loadConfig({ data }, { EVERPOST_DNS_SERVERS: 'none' }, data))
  const opened = await openAccount(closed.services, contextOf('cli', 'cli'), { address: 'ann@example.test' })
  assert.ok(opened.ok)
  const send = async (id: string, recipients: readonly string[]) => {
    const raw = Buffer.from(
      `From: ann@example.test\r\nSubject: ${id}\r\nMessage-ID: <${id}@example.test>\r\n\r\n.Text\r\n`,
    )
    const outcome = await submitMessage(
      { journal: closed.journal, directory: closed.services.directory },
      contextOf(opened.accountId, 'submission'),
      {
        accountId: opened.accountId,
        mailFrom: 'ann@example.test',
        recipients,
        blob: await closed.blobs.put(raw),
        mail: readMail(raw),
      },
    )
    assert.ok(outcome.ok)
  }
  await send('good', ['one@far.test', 'two@far.test'])
  await send('bad', ['gone@far.test'])
  await closed.services.settle()
  await closed.close()

  const server = await startServer(data, { EVERPOST_ROUTES: `far.test=smtp://127.0.0.1:${PORT}` })
  t.after(() => server.end('SIGKILL'))
  startPostfix(t, { 'far.test': sink.port, 'example.test': server.ports['smtp'] ?? 0 })
  // Postfix was not there at the first attempt.
  const waiting = JSON.parse((await everpost(data, ['queue', 'list', '--json'])).out) as readonly { id: string }[]
  for (const { id } of waiting) await everpost(data, ['queue', 'retry', id])
  await sink.until(1)
  assert.deepEqual(sink.mails[0]?.to.toSorted(), ['one@far.test', 'two@far.test'])
  assert.match(sink.mails[0]?.message.toString() ?? '', /by peer\.example\.test \(Postfix\)[\s\S]*\r\n\r\n\.Text\r\n$/)

  const source = spawnSync('smtp-source', [
    '-m',
    '5',
    '-f',
    'x@far.test',
    '-t',
    'ann@example.test',
    `127.0.0.1:${PORT}`,
  ])
  assert.equal(source.status, 0)
  const subjects = async () => {
    const listed = await everpost(data, ['audit', 'history', 'ann@example.test', '--json'])
    return (JSON.parse(listed.out) as readonly { type: string; summary?: string }[]).filter(
      ({ type }) => type === 'MessageReceived',
    ).length
  }
  // Five from Postfix, and the report about the recipient that Postfix refused.
  let arrived = 0
  while (arrived < 6) {
    arrived = await subjects()
  }
  assert.equal(arrived, 6)
  assert.equal((await everpost(data, ['queue', 'list'])).out, 'Nothing waiting to go out.\n')
})
