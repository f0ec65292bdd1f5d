// The other side of delivery: a server on loopback that is slow, rude, broken or kind, as its script says.
import { createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { createSecureContext, TLSSocket } from 'node:tls'

export interface SunkMail {
  readonly mailFrom: string
  /** Parameters of MAIL FROM, as they came. */
  readonly parameters: string
  readonly to: readonly string[]
  /** Parameters of RCPT TO, by address. */
  readonly toParameters: ReadonlyMap<string, string>
  readonly message: Buffer
  readonly tls: boolean
}

/** What to say; 'drop' cuts the connection, 'hang' says nothing, a promise is waited for. */
export type Say = string | 'drop' | 'hang'

export interface SinkScript {
  readonly host?: string
  readonly port?: number
  readonly extensions?: readonly string[]
  readonly greeting?: () => Say | Promise<Say>
  /** Before the usual answer to a command, with the words of the line; undefined leaves it at that. */
  readonly on?: (verb: string, line: string, sink: Sink) => Say | undefined | Promise<Say | undefined>
  /** After the last line of a message; by default 250. */
  readonly onMessage?: (mail: SunkMail, sink: Sink) => Say | undefined | Promise<Say | undefined>
  /** Called while the message is coming, with the bytes so far; true cuts the connection. */
  readonly cutAfter?: (bytes: number) => boolean
  /** STARTTLS with this pair; 'broken' agrees and then talks nonsense. */
  readonly tls?: { readonly key: string; readonly cert: string } | 'broken'
}

export interface Sink {
  readonly port: number
  readonly host: string
  /** Accepted with a 2xx that was sent. */
  readonly mails: SunkMail[]
  readonly commands: string[]
  connections: number
  open: number
  /** Resolves once so many messages were accepted. */
  until(count: number): Promise<void>
  close(): Promise<void>
}

/** Waits on nothing but its script. */
export async function startSink(t: Pick<TestContext, 'after'>, script: SinkScript = {}): Promise<Sink> {
  const sockets = new Set<Socket>()
  const waiting = new Set<() => void>()
  const host = script.host ?? '127.0.0.1'
  const server = createServer((socket) => {
    sockets.add(socket)
    sink.connections++
    sink.open++
    socket.on('error', () => undefined)
    socket.once('close', () => {
      sockets.delete(socket)
      sink.open--
    })
    converse(socket, script, sink, false, true).catch(() => socket.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(script.port ?? 0, host, resolve)
  })
  const sink: Sink = {
    port: (server.address() as { port: number }).port,
    host,
    mails: new Proxy([] as SunkMail[], {
      set: (target, key, value) => {
        const done = Reflect.set(target, key, value)
        for (const wake of waiting) wake()
        return done
      },
    }),
    commands: [],
    connections: 0,
    open: 0,
    until: (count) =>
      new Promise((resolve) => {
        const check = () => {
          if (sink.mails.length < count) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      }),
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
  t.after(() => sink.close())
  return sink
}

const EXTENSIONS = ['PIPELINING', 'SIZE 50000000', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES']

async function converse(socket: Socket, script: SinkScript, sink: Sink, tls: boolean, greet: boolean): Promise<void> {
  const say = (text: Say): boolean => {
    if (text === 'hang') return false
    if (text === 'drop') socket.destroy()
    else socket.write(`${text}\r\n`)
    return text !== 'drop'
  }
  if (greet && !say((await script.greeting?.()) ?? '220 sink.test ESMTP')) return
  let envelope = fresh()
  let inData = false
  let held: Buffer = Buffer.alloc(0)
  let message: Buffer[] = []
  let bytes = 0
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    for (;;) {
      if (inData) {
        const end = endOf(held, message)
        bytes += end === undefined ? held.length : end
        if (script.cutAfter?.(bytes)) {
          socket.destroy()
          return
        }
        if (end === undefined) {
          message.push(held)
          held = Buffer.alloc(0)
          break
        }
        message.push(held.subarray(0, end))
        held = held.subarray(end)
        inData = false
        const raw = Buffer.concat(message)
        const mail = { ...envelope, message: unstuffed(raw.subarray(0, raw.length - 3)), tls }
        envelope = fresh()
        message = []
        bytes = 0
        const answer = (await script.onMessage?.(mail, sink)) ?? '250 2.0.0 Ok'
        if (answer.startsWith('2')) sink.mails.push(mail)
        if (!say(answer)) return
        continue
      }
      const end = held.indexOf('\r\n')
      if (end < 0) break
      const line = held.toString('utf8', 0, end)
      held = held.subarray(end + 2)
      sink.commands.push(line)
      const verb = line.split(/[ :]/)[0]?.toUpperCase() ?? ''
      const scripted = await script.on?.(verb, line, sink)
      if (scripted !== undefined && !scripted.startsWith('2') && !scripted.startsWith('3')) {
        if (!say(scripted)) return
        if (scripted.startsWith('421')) socket.end()
        continue
      }
      switch (verb) {
        case 'EHLO': {
          const extensions = [...(script.extensions ?? EXTENSIONS), ...(script.tls && !tls ? ['STARTTLS'] : [])]
          say(
            ['sink.test', ...extensions]
              .map((each, i, all) => `250${i < all.length - 1 ? '-' : ' '}${each}`)
              .join('\r\n'),
          )
          break
        }
        case 'STARTTLS': {
          if (!script.tls) {
            say('502 5.5.1 Not here')
            break
          }
          say('220 2.0.0 Go ahead')
          if (script.tls === 'broken') {
            socket.end('this is not a handshake\r\n')
            return
          }
          const secure = new TLSSocket(socket, {
            isServer: true,
            secureContext: createSecureContext(script.tls ?? {}),
          })
          secure.on('error', () => undefined)
          converse(secure, script, sink, true, false).catch(() => secure.destroy())
          return
        }
        case 'MAIL': {
          const [, address = '', parameters = ''] = /^MAIL FROM:<([^>]*)>(.*)$/i.exec(line) ?? []
          envelope = { ...fresh(), mailFrom: address, parameters }
          say(scripted ?? '250 2.1.0 Ok')
          break
        }
        case 'RCPT': {
          const [, address = '', parameters = ''] = /^RCPT TO:<([^>]*)>(.*)$/i.exec(line) ?? []
          envelope.to.push(address)
          envelope.toParameters.set(address, parameters)
          say(scripted ?? '250 2.1.5 Ok')
          break
        }
        case 'DATA':
          if (envelope.to.length === 0) {
            say('554 5.5.1 No valid recipients')
            break
          }
          inData = true
          say(scripted ?? '354 Go on')
          break
        case 'RSET':
          envelope = fresh()
          say('250 2.0.0 Ok')
          break
        case 'QUIT':
          say('221 2.0.0 Bye')
          socket.end()
          return
        default:
          say(scripted ?? '250 2.0.0 Ok')
      }
    }
  }
}

const fresh = () => ({
  mailFrom: '',
  parameters: '',
  to: [] as string[],
  toParameters: new Map<string, string>(),
})

/** Where the terminator of a message ends in `held`, of which `before` came earlier. */
function endOf(held: Buffer, before: readonly Buffer[]): number | undefined {
  const tail = Buffer.concat(before.slice(-5)).subarray(-4)
  const all = Buffer.concat([tail.length > 0 || before.length > 0 ? tail : Buffer.from('\r\n'), held])
  const lead = all.length - held.length
  const at = all.indexOf('\r\n.\r\n')
  return at < 0 ? undefined : at + 5 - lead
}

const unstuffed = (raw: Buffer): Buffer => Buffer.from(raw.toString('latin1').replace(/(^|\r\n)\.\./g, '$1.'), 'latin1')
