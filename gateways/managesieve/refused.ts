/** A command is answered NO, with a response code where there is one for it (RFC 5804 §1.3). */
export class Refused extends Error {
  readonly code: string | undefined
  constructor(message: string, code?: string) {
    super(message)
    this.code = code
  }
}

/** What cannot be read as a command. After it, `fatal` says, nothing that follows can be trusted either. */
export class Unreadable extends Error {
  readonly fatal: boolean
  constructor(message: string, fatal = false) {
    super(message)
    this.fatal = fatal
  }
}
