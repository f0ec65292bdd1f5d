// imap: IMAP and POP3 beside Dovecot in the same run, by the same client. Usage: npm run bench -- imap [mixed|large|search|sync|pop3|idle]
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { generator, LoadClient, message, mixed } from './imap-client.ts'
import { type BenchServer, benchFolder, median, needs, PEERS, percentile, report, startBenchServer } from './support.ts'

const WHAT = process.argv[2] ?? 'all'
const ROUNDS = Number(process.env['ROUNDS'] ?? 3)
const PASSWORD = 'pass'
needs(join(PEERS, 'dovecot23.sh'), 'The peers folder')
const peersHome = process.env['PEERS'] ?? '/var/tmp/peers'
const folder = benchFolder('imap')

interface Server {
  readonly name: 'everpost' | 'dovecot'
  readonly imap: number
  readonly pop3: number
  readonly password: string
}

function dovecot(...words: readonly string[]): void {
  spawnSync(join(PEERS, 'dovecot23.sh'), words, { env: { ...process.env, PEERS: peersHome }, stdio: 'ignore' })
}

const OURS = 'everpost-password'
const EVERPOST = join(import.meta.dirname, '../../infra/everpost.ts')

async function everpost(accounts: number, name: string): Promise<{ server: BenchServer; access: Server }> {
  const server = await startBenchServer(join(folder.path, name), { EVERPOST_INSECURE_LOOPBACK_AUTH: '1' })
  for (let i = 1; i <= accounts; i++)
    execFileSync(
      process.execPath,
      [EVERPOST, 'account', 'add', `user${i}@example.test`, '--password-stdin', '--data', server.data],
      { input: `${OURS}\n`, stdio: ['pipe', 'ignore', 'inherit'] },
    )
  const { imap = 0, pop3 = 0 } = server.ports
  return { server, access: { name: 'everpost', imap, pop3, password: OURS } }
}

const PEER: Server = { name: 'dovecot', imap: 10143, pop3: 10110, password: PASSWORD }
const user = (i: number) => `user${i}@example.test`

/** Both servers with empty mailboxes, until `run` has ended. */
async function besidePeer(
  accounts: number,
  name: string,
  run: (access: Server, server: BenchServer) => Promise<void>,
): Promise<void> {
  const { server, access } = await everpost(accounts, name)
  dovecot('clean')
  dovecot('start')
  try {
    await run(access, server)
  } finally {
    await server.stop()
    dovecot('stop')
  }
}

/** How long a command of the first account takes, ms; in the folder Big, unless it is the one that selects it. */
async function timeOf(each: Server, command: string): Promise<number> {
  const client = await LoadClient.open(each.imap, user(1), each.password)
  if (!command.startsWith('SELECT')) await client.run('SELECT Big')
  const started = performance.now()
  await client.run(command)
  const took = performance.now() - started
  client.close()
  return took
}

/** The same for both, alternating; the medians and their ratio. */
async function compare(
  metric: string,
  unit: string,
  measure: (server: Server, round: number) => Promise<number>,
  target: number,
  n: number,
  better: 'more' | 'less',
  access: Server,
): Promise<void> {
  const ours: number[] = []
  const peers: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await measure(access, round))
    peers.push(await measure(PEER, round))
  }
  const [value, peer] = [median(ours), median(peers)]
  report({
    bench: 'imap',
    metric,
    value,
    unit,
    n,
    peer,
    ratio: better === 'more' ? value / peer : peer / value,
    target_ratio: target,
  })
}

async function benchMixed(): Promise<void> {
  for (const sessions of [10, 50]) {
    await besidePeer(sessions, `mixed-${sessions}`, async (access) => {
      for (const each of [access, PEER])
        for (let i = 1; i <= sessions; i++) {
          const client = await LoadClient.open(each.imap, user(i), each.password)
          await client.run('CREATE Copies')
          for (let k = 0; k < 100; k++) await client.append('INBOX', message(k, 4000))
          client.close()
        }
      const COMMANDS = sessions === 10 ? 3_000 : 6_000
      const run = async (each: Server, round: number) => {
        const clients = await Promise.all(
          Array.from({ length: sessions }, (_, i) => LoadClient.open(each.imap, user(i + 1), each.password)),
        )
        await Promise.all(clients.map((client) => client.run('SELECT INBOX')))
        const started = performance.now()
        await Promise.all(
          clients.map(async (client, i) => {
            const random = generator(1000 * round + i)
            for (let step = 0; step < COMMANDS / sessions; step++) await mixed(client, random, step)
          }),
        )
        const rate = COMMANDS / ((performance.now() - started) / 1000)
        for (const client of clients) client.close()
        return rate
      }
      await run(access, 99)
      await compare(`mixed_${sessions}_sessions`, 'commands/s', run, 1.5, COMMANDS, 'more', access)
    })
  }
}

/** A folder of many messages: a thousand appended, then copied. What matters is the folder, not how it came to be. */
async function fill(each: Server, name: string, count: number, text: (i: number) => string): Promise<void> {
  const client = await LoadClient.open(each.imap, user(1), each.password)
  await client.run(`CREATE ${name}`)
  for (let k = 0; k < 1000; k++) await client.append('INBOX', text(k))
  await client.run('SELECT INBOX')
  for (let k = 0; k < count / 1000; k++) await client.run(`COPY 1:1000 ${name}`)
  client.close()
}

const LARGE = Number(process.env['LARGE'] ?? 200_000)

async function benchLarge(): Promise<void> {
  await besidePeer(1, 'large', async (access) => {
    for (const each of [access, PEER]) {
      const started = performance.now()
      await fill(each, 'Big', LARGE, (i) => message(i, 1000))
      const client = await LoadClient.open(each.imap, user(1), each.password)
      await client.run('SELECT Big')
      await client.run('STORE 100:600 +FLAGS.SILENT (\\Seen)')
      await client.run('FETCH 1:* (UID FLAGS)')
      if (each.name === 'dovecot') {
        await client.run('SORT (DATE) UTF-8 ALL')
        await client.run('FETCH 1:* (ENVELOPE)')
      }
      client.close()
      report({
        bench: 'imap',
        metric: `large_setup_${each.name}`,
        value: (performance.now() - started) / 1000,
        unit: 's',
        n: LARGE,
      })
    }
    const steps: readonly [string, string][] = [
      ['select', 'SELECT Big'],
      ['fetch_flags', 'FETCH 1:* (UID FLAGS)'],
      ['newest_50_envelopes', `FETCH ${LARGE - 49}:* (UID ENVELOPE)`],
      ['sort_by_date', 'SORT (DATE) UTF-8 ALL'],
      ['search_unseen', 'SEARCH UNSEEN'],
    ]
    for (const [metric, command] of steps) {
      const run = (each: Server) => timeOf(each, command)
      await run(access)
      await compare(`large_${metric}`, 'ms', run, 1, LARGE, 'less', access)
    }
  })
}

const SEARCHED = Number(process.env['SEARCHED'] ?? 100_000)
const WORDS = 'garden invoice meeting weather lottery train picture budget holiday kitchen window music'.split(' ')

/** Texts of their own, a word of the common ones in every other, a rare one in each thousandth. */
const textual = (i: number): string =>
  message(i, 1500).replace(
    /\r\n\r\n/,
    `\r\n\r\n${i % 1000 === 7 ? 'quicksilver ' : ''}${i % 2 === 0 ? 'commonplace ' : ''}${WORDS.map((word, k) => word + ((i * (k + 3)) % 97)).join(' ')}\r\n`,
  )

async function benchSearch(): Promise<void> {
  await besidePeer(1, 'search', async (access, server) => {
    for (const each of [access, PEER]) await fill(each, 'Big', SEARCHED, textual)
    // The index follows behind; what it has not seen would be read instead.
    execFileSync(process.execPath, [EVERPOST, 'search', user(1), 'quicksilver', '--data', server.data], {
      stdio: 'ignore',
    })
    for (const [metric, command] of [
      ['search_text_rare', 'SEARCH TEXT quicksilver'],
      ['search_text_common', 'SEARCH TEXT commonplace'],
      ['search_text_part_of_a_word', 'SEARCH TEXT icksilv'],
    ] as const) {
      const run = (each: Server) => timeOf(each, command)
      await run(access)
      await compare(metric, 'ms', run, 20, SEARCHED, 'less', access)
    }
  })
}

const SYNCED = Number(process.env['SYNCED'] ?? 20_000)

async function benchSync(): Promise<void> {
  let n = 0
  await besidePeer(1, 'sync', async (access) => {
    for (const each of [access, PEER]) await fill(each, 'Big', SYNCED, (i) => message(i, 4000))
    const run = async (each: Server) => {
      const home = join(folder.path, `mbsync-${n++}`)
      mkdirSync(join(home, 'mail'), { recursive: true })
      writeFileSync(
        join(home, 'mbsyncrc'),
        [
          ...[
            'FSync no',
            '',
            'IMAPAccount a',
            'Host 127.0.0.1',
            `Port ${each.imap}`,
            `User ${user(1)}`,
            `Pass ${each.password}`,
          ],
          ...['SSLType None', 'AuthMechs LOGIN', '', 'IMAPStore far', 'Account a', '', 'MaildirStore near'],
          ...[`Path ${home}/mail/`, `Inbox ${home}/mail/INBOX`, '', 'Channel c', 'Far :far:', 'Near :near:'],
          ...['Patterns Big', 'Create Near', 'SyncState *', 'Sync Pull', ''],
        ].join('\n'),
      )
      const started = performance.now()
      execFileSync('mbsync', ['-c', join(home, 'mbsyncrc'), '-q', 'c'], { stdio: 'ignore' })
      const seconds = (performance.now() - started) / 1000
      const got =
        readdirSync(join(home, 'mail', 'Big', 'new')).length + readdirSync(join(home, 'mail', 'Big', 'cur')).length
      if (got !== SYNCED) throw new Error(`mbsync fetched ${got} of ${SYNCED} from ${each.name}`)
      rmSync(home, { recursive: true })
      return SYNCED / seconds
    }
    await compare('sync_mbsync', 'messages/s', run, 1, SYNCED, 'more', access)
  })
}

async function benchPop3(): Promise<void> {
  const EACH = 1000
  await besidePeer(10, 'pop3', async (access) => {
    for (const each of [access, PEER])
      for (let i = 1; i <= 10; i++) {
        const client = await LoadClient.open(each.imap, user(i), each.password)
        for (let k = 0; k < EACH; k++) await client.append('INBOX', message(k, 4000))
        client.close()
      }
    const run = async (each: Server) => {
      const started = performance.now()
      await Promise.all(Array.from({ length: 10 }, (_, i) => retrieve(each, user(i + 1), EACH)))
      return (10 * EACH) / ((performance.now() - started) / 1000)
    }
    await run(access)
    await compare('pop3_retr_10_sessions', 'messages/s', run, 1, 10 * EACH, 'more', access)
  })
}

/** Signs in and takes `count` messages, one after the other. */
function retrieve(server: Server, name: string, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.pop3, '127.0.0.1')
    const lines = [
      `USER ${name}`,
      `PASS ${server.password}`,
      ...Array.from({ length: count }, (_, i) => `RETR ${i + 1}`),
      'QUIT',
    ]
    let at = -1
    let tail = ''
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      tail = (tail + chunk.toString('latin1')).slice(-5)
      const multi = at >= 2 && at < count + 2
      if (multi ? tail.endsWith('\r\n.\r\n') : tail.endsWith('\r\n')) {
        tail = ''
        at++
        if (at < lines.length) socket.write(`${lines[at]}\r\n`)
      }
    })
    socket.on('close', () => (at >= lines.length - 1 ? resolve() : reject(new Error(`stopped at ${lines[at]}`))))
    socket.on('error', reject)
  })
}

async function benchIdle(): Promise<void> {
  const SESSIONS = Number(process.env['SESSIONS'] ?? 5000)
  const EACH = 50
  const accounts = SESSIONS / EACH
  const { server, access } = await everpost(accounts, 'idle')
  try {
    const before = server.rss()
    const idlers: LoadIdler[] = []
    for (let i = 0; i < SESSIONS; i++)
      idlers.push(await LoadIdler.open(access.imap, user(1 + (i % accounts)), access.password))
    const after = server.rss()
    report({
      bench: 'imap',
      metric: 'idle_rss_a_session',
      value: (after - before) / SESSIONS / 1024,
      unit: 'KiB',
      n: SESSIONS,
      target: 40,
    })
    const times: number[] = []
    for (let i = 1; i <= Math.min(accounts, 50); i++) {
      const own = idlers.filter((_, k) => k % accounts === i - 1)
      const heard = own.map((idler) => idler.exists())
      const sent = spawnSync('swaks', [
        '--server',
        `127.0.0.1:${server.ports['smtp']}`,
        '--from',
        'x@load.test',
        '--to',
        user(i),
        '--silent',
        '2',
      ])
      if (sent.status !== 0) throw new Error('swaks failed')
      const done = performance.now()
      for (const at of await Promise.all(heard)) times.push(Math.max(0, at - done))
    }
    times.sort((a, b) => a - b)
    const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)]
    report({ bench: 'imap', metric: 'idle_delivery', value: p99, unit: 'ms', n: times.length, p50, p99, target: 100 })
    for (const idler of idlers) idler.close()
  } finally {
    await server.stop()
  }
}

class LoadIdler {
  readonly #port: Socket
  private constructor(port: Socket) {
    this.#port = port
  }
  static async open(port: number, name: string, password: string): Promise<LoadIdler> {
    const idler = new LoadIdler(connect(port, '127.0.0.1'))
    await idler.#said(/ready\r\n/)
    await idler.#say(`a LOGIN "${name}" "${password}"`, /a OK/)
    await idler.#say('b SELECT INBOX', /b OK/)
    await idler.#say('c IDLE', /\+ idling/)
    return idler
  }
  #say(line: string, answer: RegExp): Promise<number> {
    const said = this.#said(answer)
    this.#port.write(`${line}\r\n`)
    return said
  }
  #said(answer: RegExp): Promise<number> {
    return new Promise((resolve, reject) => {
      let text = ''
      const take = (chunk: Buffer) => {
        text += chunk.toString('latin1')
        if (!answer.test(text)) return
        this.#port.off('data', take)
        resolve(performance.now())
      }
      this.#port.on('data', take)
      this.#port.once('error', reject)
    })
  }
  exists(): Promise<number> {
    return this.#said(/EXISTS\r\n/)
  }
  close(): void {
    this.#port.destroy()
  }
}

try {
  if (WHAT === 'mixed' || WHAT === 'all') await benchMixed()
  if (WHAT === 'large' || WHAT === 'all') await benchLarge()
  if (WHAT === 'search' || WHAT === 'all') await benchSearch()
  if (WHAT === 'sync' || WHAT === 'all') await benchSync()
  if (WHAT === 'pop3' || WHAT === 'all') await benchPop3()
  if (WHAT === 'idle' || WHAT === 'all') await benchIdle()
} finally {
  folder.remove()
}
