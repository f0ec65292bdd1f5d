// Dovecot's IMAP server on a pipe, signed in already: no listener, no daemon. Debian's dovecot-imapd must be installed.
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import type { TestContext } from 'node:test'
import { temporaryFolder } from './folders.ts'
import { ImapClient } from './imap-client.ts'

/** It does not run as root. */
const USER = process.getuid?.() || 65534
const GROUP = process.getgid?.() || 65534

/** Answers a way to open connections to one new mailbox. */
export function dovecot(t: TestContext): () => Promise<ImapClient> {
  const folder = temporaryFolder()
  const home = join(folder, 'home')
  mkdirSync(home)
  chmodSync(folder, 0o755)
  if (process.getuid?.() === 0) chownSync(home, USER, GROUP)
  const conf = join(folder, 'dovecot.conf')
  writeFileSync(
    conf,
    `
protocols =
log_path = /dev/null
mail_uid = ${USER}
mail_gid = ${GROUP}
first_valid_uid = 1
first_valid_gid = 1
mail_home = ${home}
mail_location = maildir:${home}/Maildir
mail_fsync = never
ssl = no
namespace inbox {
  inbox = yes
  separator = /
}
`,
  )
  return async () => {
    const child = spawn('/usr/lib/dovecot/imap', ['-c', conf], {
      ...(process.getuid?.() === 0 ? { uid: USER, gid: GROUP } : {}),
      env: { USER: 'test', HOME: home },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    t.after(() => void child.kill())
    child.stdin.on('error', () => undefined)
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', (error) => reject(new Error(`dovecot-imapd is needed for this test: ${error.message}`)))
    })
    const line = new Duplex({
      read: () => undefined,
      write: (chunk, _, done) => void child.stdin.write(chunk, () => done()),
    })
    child.stdout.on('data', (chunk) => line.push(chunk))
    child.once('close', () => line.destroy())
    const client = ImapClient.over(line)
    const greeting = await client.line()
    if (!greeting.startsWith('* PREAUTH')) throw new Error(`Dovecot did not start: ${greeting}`)
    return client
  }
}
