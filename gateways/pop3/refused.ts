/** A command is answered -ERR, with a response code where there is one for it (RFC 2449 §8, RFC 3206). */
export class Refused extends Error {
  readonly code: string | undefined
  constructor(message: string, code?: string) {
    super(message)
    this.code = code
  }
}
