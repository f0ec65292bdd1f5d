// Our interpreter against Dovecot Pigeonhole's sieve-test: the same actions for the same scripts and messages. It must be installed.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { corpus } from '../mime/corpus.ts'
import { run, sayAction } from '../sieve/support.ts'
import { temporaryFolder } from '../support/folders.ts'

const SCRIPTS = join(import.meta.dirname, '..', 'sieve', 'scripts')
/** Every so many of the sample messages: each run of sieve-test takes 10 ms. */
const EVERY = Number(process.env['PIGEONHOLE_EVERY'] ?? 25)

/** sieve-test does not run scripts as root. */
const USER = process.getuid?.() || 65534
const GROUP = process.getgid?.() || 65534

const CONF = (home: string) => `
protocols =
mail_uid = ${USER}
mail_gid = ${GROUP}
first_valid_uid = 1
first_valid_gid = 1
mail_home = ${home}
mail_location = maildir:${home}/Maildir
ssl = no
namespace inbox {
  inbox = yes
  separator = /
}
plugin {
  sieve_extensions = +editheader +vacation-seconds +special-use +duplicate
  sieve_max_redirects = 4
  sieve_vacation_min_period = 0
}
`

/** What sieve-test printed, in the words of our own tests. */
function theirActions(printed: string): readonly string[] {
  const actions: string[] = []
  const blocks = printed.split(/^ \* /m).slice(1)
  for (const block of blocks) {
    const [first = ''] = block.split('\n')
    const stored = /^store message in folder: (.*)$/.exec(first)
    const flags = /^\s+\+ add IMAP flags: (.*)$/m.exec(block)?.[1]
    const marks = flags ? ` (${flags.toLowerCase()})` : ''
    const redirect = /^redirect message to: <(.*)>$/.exec(first)
    const reject = /^reject message with reason: ([\s\S]*?)\n\nImplicit/.exec(block)
    const vacation = /seconds : (\d+)\n[\s\S]*?(?:subject : (.*)\n[\s\S]*?)?START MESSAGE\n([\s\S]*?)END MESSAGE/.exec(
      block,
    )
    if (stored) actions.push(stored[1] === 'INBOX' ? `keep${marks}` : `fileinto ${stored[1]}${marks}`)
    else if (redirect) actions.push(`redirect ${redirect[1]}`)
    else if (first === 'discard') actions.push('discard')
    else if (reject) actions.push(`reject ${reject[1]?.trim()}`)
    else if (vacation) actions.push(`vacation ${vacation[1]} ${vacation[2] ?? ''}: ${vacation[3]?.trim()}`)
    else if (!first.startsWith('track duplicate')) actions.push(first)
  }
  return actions
}

/** Sorted, because the order of independent actions is nobody's promise; a discard beside others does nothing. */
function comparable(actions: readonly string[]): readonly string[] {
  const tidy = actions.map((action) =>
    action
      .replace(/\r/g, '')
      .replace(/\n+|\?\?/g, ' ')
      .trim()
      .replace(/ \((.*)\)$/, (_, flags: string) => ` (${flags.split(' ').sort().join(' ')})`),
  )
  return (tidy.length > 1 ? tidy.filter((action) => action !== 'discard') : tidy)
    .map((action) => action.replace(/^reject\s+/, 'reject '))
    .sort()
}

async function sieveTest(folder: string, script: string, message: string): Promise<readonly string[] | undefined> {
  const words = [
    '-c',
    join(folder, 'dovecot.conf'),
    '-a',
    'kim@example.test',
    '-r',
    'kim@example.test',
    '-f',
    'joe@example.com',
    script,
    message,
  ]
  try {
    const { stdout } = await promisify(execFile)('sieve-test', words)
    return theirActions(stdout)
  } catch (error) {
    const { stderr, message: why } = error as Error & { stderr?: string }
    if (stderr?.includes('resolved with successful implicit keep')) return ['keep']
    // Its header editor does not survive a message without a body.
    if (stderr?.includes('Panic: file edit-mail.c')) return undefined
    throw new Error(`sieve-test of Debian's dovecot-sieve is needed for this test: ${stderr || why}`)
  }
}

function setUp() {
  const folder = temporaryFolder()
  chmodSync(folder, 0o777)
  writeFileSync(join(folder, 'dovecot.conf'), CONF(join(folder, 'home')))
  return folder
}

describe('Pigeonhole', () => {
  for (const name of readdirSync(SCRIPTS).sort()) {
    it(`does the same with ${name}`, async () => {
      const folder = setUp()
      const script = join(folder, name)
      copyFileSync(join(SCRIPTS, name), script)
      const source = readFileSync(script, 'utf8')
      const differences: string[] = []
      let compared = 0
      for (const [i, { name: mail, raw }] of corpus().entries()) {
        if (i % EVERY !== 0) continue
        const message = join(folder, 'message.eml')
        writeFileSync(message, raw)
        const printed = await sieveTest(folder, script, message)
        if (printed === undefined) continue
        const theirs = comparable(printed)
        const outcome = run(source, raw, {
          mailFrom: 'joe@example.com',
          recipient: 'kim@example.test',
          now: Date.now(),
        })
        const ours = comparable(outcome.actions.map(sayAction))
        if (JSON.stringify(ours) !== JSON.stringify(theirs))
          differences.push(`${mail}\n  ours   ${ours.join(' | ')}\n  theirs ${theirs.join(' | ')}`)
        compared++
      }
      assert.ok(compared > 20, `${compared} messages compared`)
      // Where the two part, a field is no address or no date by any standard, and each guesses in its own way.
      assert.ok(
        differences.length <= compared * 0.06,
        `${differences.length} of ${compared} differ\n${differences.slice(0, 10).join('\n')}`,
      )
    })
  }
})
