// How a command ends other than well. The session lives on.

/** The command cannot be understood: tagged BAD (RFC 9051 §7.1.3). */
export class BadCommand extends Error {}

/** The command was understood and is refused: tagged NO with a response code (RFC 9051 §7.1, RFC 5530). */
export class Refused extends Error {
  readonly code: string | undefined
  constructor(message: string, code?: string) {
    super(message)
    this.code = code
  }
}

/** The line is to be closed: untagged BYE. */
export class Goodbye extends Error {}
