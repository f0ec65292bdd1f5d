// push: from SMTP's 250 to the subscription's message over a WebSocket, at 100 messages a second.
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import { benchFolder, median, pause, percentile, report, startBenchServer } from './support.ts'

const ROUNDS = Number(process.argv[2] ?? 3)
const PER_SECOND = 100
const MESSAGES = 1000
const ACCOUNTS = 10

/** A minimal SMTP client: one message, answers the moment of its 250. */
class Sender {
  readonly #socket
  #text = ''
  #waiting: ((line: string) => void) | undefined
  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1').setEncoding('utf8').setNoDelay(true)
    this.#socket.on('data', (chunk) => {
      this.#text += chunk
      const end = /^\d{3} .*\r\n/m.exec(this.#text)
      if (!end) return
      this.#text = ''
      this.#waiting?.(end[0])
    })
  }

  #answer(): Promise<string> {
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }

  async open(): Promise<void> {
    await this.#answer()
    await this.#say('EHLO bench.test')
  }

  async #say(line: string): Promise<string> {
    const answer = this.#answer()
    this.#socket.write(`${line}\r\n`)
    return answer
  }

  async send(to: string, subject: string): Promise<number> {
    await this.#say('MAIL FROM:<bench@load.test>')
    await this.#say(`RCPT TO:<${to}>`)
    await this.#say('DATA')
    const said = await this.#say(
      `From: bench@load.test\r\nTo: ${to}\r\nSubject: ${subject}\r\n\r\n${'A line of the message.\r\n'.repeat(40)}.`,
    )
    if (!said.startsWith('250')) throw new Error(said)
    return performance.now()
  }

  close(): void {
    this.#socket.destroy()
  }
}

async function subscribe(
  url: string,
  token: string,
  onSubject: (subject: string, at: number) => void,
): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  const ready = new Promise<void>((resolve) => {
    socket.on('message', (data) => {
      const at = performance.now()
      const message = JSON.parse(String(data))
      if (message.type === 'connection_ack') {
        const query = 'subscription { mailboxChanged { revision messages { id subject } } }'
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }))
        resolve()
      }
      if (message.type === 'ping') socket.send(JSON.stringify({ type: 'pong' }))
      for (const { subject } of message.payload?.data?.mailboxChanged?.messages ?? []) onSubject(subject, at)
    })
  })
  socket.send(JSON.stringify({ type: 'connection_init', payload: { token } }))
  await ready
  return socket
}

const folder = benchFolder('push')
const p50s: number[] = []
const p99s: number[] = []
try {
  for (let round = 0; round < ROUNDS; round++) {
    const server = await startBenchServer(`${folder.path}/${round}`)
    const seen = new Map<string, number>()
    const sockets: WebSocket[] = []
    for (let i = 0; i < ACCOUNTS; i++) {
      await server.cli('account', 'add', `user${i}@example.test`)
      const token = (await server.cli('token', 'create', `user${i}@example.test`)).trim()
      sockets.push(await subscribe(server.url, token, (subject, at) => seen.has(subject) || seen.set(subject, at)))
    }
    await pause(500)
    const senders = Array.from({ length: ACCOUNTS }, () => new Sender(server.ports['smtp'] ?? 0))
    await Promise.all(senders.map((sender) => sender.open()))
    const acknowledged = new Map<string, number>()
    const started = performance.now()
    const sending = senders.map(async (sender, s) => {
      for (let i = s; i < MESSAGES; i += ACCOUNTS) {
        await pause(Math.max(0, started + (i * 1000) / PER_SECOND - performance.now()))
        acknowledged.set(`push ${i}`, await sender.send(`user${s}@example.test`, `push ${i}`))
      }
    })
    await Promise.all(sending)
    for (let wait = 0; seen.size < MESSAGES && wait < 500; wait++) await pause(10)
    if (seen.size < MESSAGES) throw new Error(`Only ${seen.size} of ${MESSAGES} were pushed`)
    const latencies = [...acknowledged]
      .map(([subject, at]) => Math.max(0, (seen.get(subject) ?? Number.NaN) - at))
      .sort((a, b) => a - b)
    p50s.push(percentile(latencies, 0.5))
    p99s.push(percentile(latencies, 0.99))
    for (const sender of senders) sender.close()
    for (const socket of sockets) socket.close()
    await server.stop()
  }
  report({
    bench: 'push',
    metric: 'smtp_250_to_subscription',
    value: median(p50s),
    unit: 'ms',
    n: MESSAGES * ROUNDS,
    p50: median(p50s),
    p99: median(p99s),
    target_p50: 15,
    target_p99: 60,
  })
} finally {
  folder.remove()
}
