// What one client may ask for: every number here is checked before memory is spent on it.

export interface ImapLimits {
  /** Bytes of one line of a command, literals not counted. RFC 7162 §4 asks for 8,192 at least. */
  readonly lineBytes: number
  /** Bytes of a literal that is no message: a name, a search text. */
  readonly literalBytes: number
  /** Bytes of all of a command but its messages. */
  readonly commandBytes: number
  /** Bytes of an appended message (RFC 7889 APPENDLIMIT). */
  readonly messageBytes: number
  /** Parentheses within parentheses, and search keys within search keys. */
  readonly depth: number
  readonly connections: number
  readonly sessionsPerAccount: number
  readonly connectionsPerAddress: number
  /** From the connection to a successful sign-in. */
  readonly preAuthMs: number
  /** RFC 9051 §5.4: at least 30 minutes. */
  readonly idleMs: number
  /** How long a session may go on before it is looked up again whether the account still lets it. */
  readonly recheckMs: number
  /** How often a long command says how far it is (RFC 9585). */
  readonly progressMs: number
  /** A text is looked for by reading up to so many messages; among more of them through the search index. */
  readonly readAllBelow: number
  /** Errors in a row before the line is closed. */
  readonly badCommands: number
}

export const DEFAULT_IMAP_LIMITS: ImapLimits = {
  lineBytes: 64 * 1024,
  literalBytes: 64 * 1024,
  commandBytes: 256 * 1024,
  messageBytes: 50 * 1024 * 1024,
  depth: 50,
  connections: 10_000,
  sessionsPerAccount: 50,
  connectionsPerAddress: 1_000,
  preAuthMs: 60_000,
  idleMs: 31 * 60_000,
  recheckMs: 30_000,
  progressMs: 10_000,
  readAllBelow: 1_000,
  badCommands: 20,
}
