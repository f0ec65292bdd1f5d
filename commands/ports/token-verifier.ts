// Who vouches for bearer tokens that Everpost did not make: an OAuth 2.0 authorization server, say.

export interface TokenVerifier {
  /** The address that the token speaks for; undefined for one that is not valid, not any more, or not for mail. */
  verify(token: string): Promise<string | undefined>
  /** Where its OpenID configuration is, told to clients whose token was refused (RFC 7628 §3.2.2). */
  readonly openidConfiguration?: string
}
