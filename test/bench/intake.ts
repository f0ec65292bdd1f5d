// intake: 10 KB messages to 50 accounts by smtp-source over 10 and 50 connections, until every one is durable and in the inbox view;
// beside Postfix+Dovecot (Maildir) in the same run. Medians of 3 runs, which alternate.
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { addAccounts, benchFolder, median, needs, PEERS, report, smtpLoad, startBenchServer } from './support.ts'

const ROUNDS = Number(process.argv[2] ?? 3)
const MESSAGES = 10_000
/** Sent first and not counted: a server that has just started is still compiling what it runs often. */
const WARM_UP = 3000
const PEER_MESSAGES = 1500
const BYTES = 10_240
const ACCOUNTS = 50

needs('/usr/sbin/smtp-source', 'smtp-source (Debian package postfix)')
const withPeers = process.argv[3] !== 'alone'
if (withPeers) needs(join(PEERS, 'bench_smtp.sh'), 'The peers folder')
const folder = benchFolder('intake')
const peersHome = process.env['PEERS'] ?? '/var/tmp/peers'

/** As the peers, which judge nothing; `intake-filter` measures what judging costs. */
const UNFILTERED = { EVERPOST_FILTER: 'none', EVERPOST_FILTER_AUTHENTICATION: '0' }

/** What a daemon starts keeps its output open: only the load script's is read. */
function peer(script: string, ...args: readonly string[]): string {
  const stdio = script === 'bench_smtp.sh' ? 'pipe' : 'ignore'
  const run = spawnSync(join(PEERS, script), args, {
    env: { ...process.env, PEERS: peersHome },
    encoding: 'utf8',
    stdio,
  })
  return run.stdout ?? ''
}

/** Postfix+Dovecot's end-to-end messages a second. */
function peerLoad(connections: number): number {
  execFileSync('mkdir', ['-p', peersHome])
  execFileSync('chmod', ['755', peersHome])
  peer('dovecot23.sh', 'start')
  peer('postfix.sh', 'start')
  try {
    const maildirs = join(peersHome, 'dovecot23', 'mail')
    const said = peer('bench_smtp.sh', '10025', `${connections}`, `${PEER_MESSAGES}`, `${BYTES}`, 'keep', maildirs)
    const rate = Number(/end_to_end=(\d+)/.exec(said)?.[1])
    if (!(rate > 0)) throw new Error(`The peers did not answer: ${said}`)
    return rate
  } finally {
    peer('postfix.sh', 'stop')
    peer('dovecot23.sh', 'stop')
    peer('dovecot23.sh', 'clean')
  }
}

try {
  for (const connections of [10, 50]) {
    const ours: number[] = []
    const accepted: number[] = []
    const theirs: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const server = await startBenchServer(join(folder.path, `${connections}-${round}`), UNFILTERED)
      await addAccounts(server, ACCOUNTS)
      await smtpLoad(server, connections, WARM_UP, BYTES)
      const result = await smtpLoad(server, connections, MESSAGES, BYTES)
      ours.push(result.visible)
      accepted.push(result.accepted)
      await server.stop()
      if (withPeers) theirs.push(peerLoad(connections))
    }
    const value = median(ours)
    report({
      bench: 'intake',
      metric: `visible_${connections}_connections`,
      value,
      unit: 'messages/s',
      n: MESSAGES * ROUNDS,
      accepted: median(accepted),
      ...(withPeers ? { peer: median(theirs), ratio: value / median(theirs) } : {}),
      target: 1200,
      target_ratio: 4,
    })
  }
} finally {
  folder.remove()
}
