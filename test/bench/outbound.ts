// outbound: 10,000 messages of 10 KB to 20 domains behind smtp-sink, from submission to RecipientDelivered on the log; beside Postfix relaying
// the same load in the same run. Medians of 3 rounds, which alternate.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  addressOf,
  BYTES,
  cpuOf,
  DOMAINS,
  latencies,
  SINK,
  startSender,
  startWorld,
  submitAll,
  untilDelivered,
  type World,
} from './outbound-support.ts'
import { benchFolder, median, needs, pause, percentile, report } from './support.ts'

const ROUNDS = Number(process.argv[2] ?? 3)
const EACH = Number(process.argv[4] ?? 500)
const MESSAGES = EACH * DOMAINS.length
const withPeer = process.argv[3] !== 'alone'

needs(SINK, 'smtp-sink (Debian package postfix)')
const folder = benchFolder('outbound')

async function ours(data: string, world: World): Promise<{ rate: number; cpu: number; sorted: readonly number[] }> {
  const server = await startSender(data, world)
  const before = cpuOf(server.pid)
  const started = performance.now()
  const sent = submitAll(server, EACH, DOMAINS)
  await untilDelivered(data, MESSAGES)
  const seconds = (performance.now() - started) / 1000
  const cpu = (cpuOf(server.pid) - before) / MESSAGES
  await sent
  await server.stop()
  return { rate: MESSAGES / seconds, cpu, sorted: await latencies(data, DOMAINS) }
}

/** Postfix of this machine on folders of its own: takes by SMTP, relays each domain to its sink. */
async function theirs(place: string, world: World): Promise<number> {
  const port = 20_125
  for (const name of ['conf', 'queue', 'data']) mkdirSync(join(place, name), { recursive: true, mode: 0o755 })
  // Postfix's own users look into it.
  chmodSync(folder.path, 0o755)
  const postfix = Number(spawnSync('id', ['-u', 'postfix'], { encoding: 'utf8' }).stdout)
  chownSync(join(place, 'data'), postfix, -1)
  const transports = DOMAINS.map((domain) => `{${domain}=smtp:[${addressOf(domain)}]:${world.port}}`).join(' ')
  writeFileSync(
    join(place, 'conf', 'main.cf'),
    `compatibility_level = 3.6
queue_directory = ${place}/queue
data_directory = ${place}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = ${place}/maillog
maillog_file_prefixes = ${place}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = peer.example.test
mydestination =
local_recipient_maps =
alias_maps =
transport_maps = inline:{ ${transports} }
default_transport = error:not here
relay_transport = error:not here
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
in_flow_delay = 0s
default_process_limit = 120
disable_dns_lookups = yes
smtpd_peername_lookup = no
`,
  )
  const services = [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    'cleanup unix n - n - 0 cleanup',
    'qmgr unix n - n 300 1 qmgr',
    'rewrite unix - - n - - trivial-rewrite',
    ...['bounce', 'defer', 'trace'].map((name) => `${name} unix - - n - 0 bounce`),
    'verify unix - - n - 1 verify',
    'flush unix n - n 1000? 0 flush',
    'proxymap unix - - n - - proxymap',
    'smtp unix - - n - - smtp',
    'error unix - - n - - error',
    'retry unix - - n - - error',
    'anvil unix - - n - 1 anvil',
    'scache unix - - n - 1 scache',
    'postlog unix-dgram n - n - 1 postlogd',
    'pickup unix n - n 60 1 pickup',
    'showq unix n - n - - showq',
  ]
  writeFileSync(join(place, 'conf', 'master.cf'), `${services.join('\n')}\n`)
  const run = (verb: string) => spawnSync('postfix', ['-c', join(place, 'conf'), verb], { stdio: 'ignore' })
  run('start')
  await pause(1500)
  const sent = () => {
    try {
      return readFileSync(join(place, 'maillog'), 'utf8').split(' status=sent ').length - 1
    } catch {
      return 0
    }
  }
  try {
    const started = performance.now()
    for (const domain of DOMAINS) {
      const to = ['-d', '-s', '1', '-m', `${EACH}`, '-l', `${BYTES}`, '-f', 'load@load.test', '-t', `someone@${domain}`]
      spawn('smtp-source', [...to, `127.0.0.1:${port}`], { stdio: 'ignore' })
    }
    let found = 0
    while (found < MESSAGES) {
      await pause(200)
      found = sent()
      if (performance.now() - started > 600_000) throw new Error(`Postfix sent ${found} in ten minutes`)
    }
    return (MESSAGES / (performance.now() - started)) * 1000
  } finally {
    run('stop')
  }
}

const world = await startWorld()
try {
  const rates: number[] = []
  const peers: number[] = []
  const cpus: number[] = []
  let sorted: readonly number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const result = await ours(join(folder.path, `ours-${round}`), world)
    rates.push(result.rate)
    cpus.push(result.cpu)
    sorted = result.sorted
    if (withPeer) peers.push(await theirs(join(folder.path, `peer-${round}`), world))
  }
  const value = median(rates)
  report({
    bench: 'outbound',
    metric: 'delivered',
    value,
    unit: 'messages/s',
    n: MESSAGES * ROUNDS,
    cpu_ms_per_message: median(cpus),
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    ...(withPeer ? { peer: median(peers), ratio: value / median(peers) } : {}),
    target: 500,
    target_ratio: 1.5,
  })
} finally {
  world.close()
  folder.remove()
}
