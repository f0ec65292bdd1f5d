// A TCP proxy between a process and an engine, to break the line between them: cut, delayed, every connection reset.
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

export class TcpProxy {
  readonly #target: number
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #cut = false
  #delayMs = 0

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#join(client))
  }

  /** Listens on a free port of loopback and leads to the target port. */
  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject)
      proxy.#server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** Ends every connection and refuses new ones until `restore`. */
  cut(): void {
    this.#cut = true
    this.reset()
  }

  /** Ends every connection; new ones are taken. */
  reset(): void {
    for (const [client, server] of this.#pairs) {
      resetNow(client)
      resetNow(server)
    }
    this.#pairs.clear()
  }

  /** What passes is held back by so many milliseconds, both ways, in order. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  restore(): void {
    this.#cut = false
    this.#delayMs = 0
  }

  async close(): Promise<void> {
    this.reset()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(client: Socket): void {
    client.on('error', () => undefined)
    if (this.#cut) {
      resetNow(client)
      return
    }
    const server = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true })
    server.on('error', () => resetNow(client))
    client.setNoDelay(true)
    server.setNoDelay(true)
    const pair = [client, server] as const
    this.#pairs.add(pair)
    const end = () => {
      this.#pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    client.once('close', end)
    server.once('close', end)
    void this.#pass(client, server)
    void this.#pass(server, client)
  }

  async #pass(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        if (this.#delayMs > 0) await pause(this.#delayMs)
        if (!to.write(chunk) && !to.destroyed)
          await new Promise<void>((resolve) => {
            const go = () => {
              to.off('drain', go)
              to.off('close', go)
              resolve()
            }
            to.on('drain', go)
            to.on('close', go)
          })
      }
      to.end()
    } catch {
      to.destroy()
    }
  }
}

/** With RST. A socket that is shutting down refuses that: its handle would stay, and the process would never end (libuv, EINVAL). */
function resetNow(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
