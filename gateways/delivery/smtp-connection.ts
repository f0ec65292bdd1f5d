// nodemailer's SMTP connection with what it leaves out: parameters that differ from recipient to recipient (RFC 3461) and SMTPUTF8 for
// messages whose headers need it while their addresses do not (RFC 6531 §3.4).
import SmtpConnection from 'nodemailer/lib/smtp-connection'

/** What the library keeps for itself, as of 10.6. */
interface Inner {
  _sendCommand(command: string, logged?: string): void
  readonly _ehloLines?: readonly string[]
  readonly _maxAllowedSize: number
}

const inner = SmtpConnection.prototype as unknown as Inner

export class Connection extends SmtpConnection {
  /** Added to MAIL FROM of the next message. */
  mailParameters = ''
  /** Added to RCPT TO, by address as it is written there. */
  recipientParameters: ReadonlyMap<string, string> = new Map()

  _sendCommand(command: string, logged?: string): void {
    inner._sendCommand.call(this, this.#withParameters(command), logged)
  }

  #withParameters(command: string): string {
    if (command.startsWith('MAIL FROM:<')) return command + this.mailParameters
    if (!command.startsWith('RCPT TO:<')) return command
    return command + (this.recipientParameters.get(command.slice(9, command.lastIndexOf('>'))) ?? '')
  }

  /** Whether the server announced an extension. */
  offers(extension: string): boolean {
    const lines = (this as unknown as Inner)._ehloLines ?? []
    return lines.some((line) => line.toUpperCase().split(/[ =]/)[0] === extension)
  }

  /** Bytes of the largest message that the server takes; 0 is unknown. */
  get largest(): number {
    return (this as unknown as Inner)._maxAllowedSize
  }
}
