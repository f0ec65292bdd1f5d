// The line to one client: bytes in, answers out, TLS and compression begun in the middle, silence ended.
import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib'
import { ByteReader } from './byte-reader.ts'
import { type ChannelBinding, channelBindingOf } from './channel-binding.ts'
import { Output } from './output.ts'

export interface LineEvents {
  /** Nothing was heard for the time that `timeout` set; what is said now still goes out. */
  readonly silent?: () => void
  /** Called whenever the line closes, from whichever side. */
  readonly closed?: () => void
}

export class Line {
  readonly address: string
  readonly out: Output
  #socket: Socket
  #reader: ByteReader
  #open = true
  readonly #events: LineEvents

  constructor(socket: Socket, timeoutMs: number, events: LineEvents = {}) {
    this.#socket = socket
    this.#events = events
    this.address = socket.remoteAddress ?? ''
    this.out = new Output(socket)
    this.#reader = this.#listen(socket)
    socket.setNoDelay(true)
    socket.setTimeout(timeoutMs)
  }

  get reader(): ByteReader {
    return this.#reader
  }

  /** False once either side has had enough: the client's next command is not read. */
  get open(): boolean {
    return this.#open
  }

  /** Undefined without TLS. */
  get binding(): ChannelBinding | undefined {
    return this.#socket instanceof TLSSocket ? channelBindingOf(this.#socket) : undefined
  }

  /** How long the client may be silent from now on. */
  timeout(milliseconds: number): void {
    this.#socket.setTimeout(milliseconds)
  }

  /** Ends after what is being answered. */
  close(): void {
    this.#open = false
    this.#reader.end()
    this.#events.closed?.()
  }

  /** Sends what was said, and ends now. */
  hangUp(): void {
    this.out.flush()
    this.close()
    this.#socket.end()
  }

  /** The last thing done with a line: nothing is said any more. */
  finish(): void {
    this.out.close()
    this.close()
    this.#socket.end()
  }

  /** Everything begins anew, and what was sent in clear after the command does not count (RFC 9051 §6.2.1, RFC 2595 §4, RFC 5804 §2.2). */
  startTls(context: SecureContext, timeoutMs: number): void {
    this.out.flush()
    const plain = this.#socket
    plain.removeAllListeners('data')
    plain.removeAllListeners('timeout')
    this.#reader.clear()
    const secured = new TLSSocket(plain, { isServer: true, secureContext: context })
    this.#socket = secured
    this.#reader = this.#listen(secured)
    this.out.redirect(secured)
    secured.setTimeout(timeoutMs)
    plain.resume()
  }

  /** Both ways are deflated from here on (RFC 4978). */
  compress(): void {
    const socket = this.#socket
    const inflate = createInflateRaw()
    const deflate = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH })
    const rest = this.#reader.takeAll()
    socket.removeAllListeners('data')
    this.#reader = new ByteReader((full) => (full ? inflate.pause() : inflate.resume()))
    inflate.on('data', (chunk: Buffer) => this.#reader.push(chunk))
    // Bytes that do not inflate cannot be followed by any that do.
    inflate.on('error', () => {
      this.close()
      socket.destroy()
    })
    deflate.on('error', () => this.close())
    if (rest.length > 0) inflate.write(rest)
    socket.pipe(inflate)
    deflate.pipe(socket)
    this.out.redirect(deflate)
  }

  #listen(socket: Socket): ByteReader {
    const reader = new ByteReader((full) => {
      if (full) this.#socket.pause()
      else this.#socket.resume()
    })
    const end = () => this.close()
    socket.on('data', (chunk: Buffer) => reader.push(chunk))
    socket.on('end', end)
    socket.on('close', end)
    // Broken lines are the client's affair.
    socket.on('error', end)
    socket.on('timeout', () => {
      this.#events.silent?.()
      this.hangUp()
    })
    return reader
  }
}
