// Signing keys of a domain (DKIM, RFC 6376 and 8463): events of its `domain-<hash>` stream, beside DomainAdded.

export type DkimAlgorithm = 'rsa-sha256' | 'ed25519-sha256'

export type SigningKeyEvent =
  | {
      type: 'DkimKeyAdded'
      data: {
        name: string
        selector: string
        algorithm: DkimAlgorithm
        /** The `p=` of its DNS record. */
        publicKey: string
        /** PKCS #8 in PEM. Sealed like every payload; no view holds it. */
        privateKey: string
      }
    }
  | { type: 'DkimKeyRetired'; data: { name: string; selector: string } }

export const SIGNING_KEY_EVENT_TYPES = [
  'DkimKeyAdded',
  'DkimKeyRetired',
] as const satisfies readonly SigningKeyEvent['type'][]

// ── State ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface SigningKey {
  readonly selector: string
  readonly algorithm: DkimAlgorithm
  readonly publicKey: string
  readonly privateKey: string
  /** Signs no more; its record stays in the DNS until mail that it signed has arrived. */
  readonly retired: boolean
}

export type SigningKeys = ReadonlyMap<string, SigningKey>

export const noSigningKeys: SigningKeys = new Map()

export const activeKeys = (keys: SigningKeys): readonly SigningKey[] => [...keys.values()].filter((key) => !key.retired)

// ── Evolve ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function evolve(state: SigningKeys, event: SigningKeyEvent): SigningKeys {
  switch (event.type) {
    case 'DkimKeyAdded': {
      const { selector, algorithm, publicKey, privateKey } = event.data
      if (state.has(selector)) return state
      return new Map(state).set(selector, { selector, algorithm, publicKey, privateKey, retired: false })
    }
    case 'DkimKeyRetired': {
      const key = state.get(event.data.selector)
      return key ? new Map(state).set(key.selector, { ...key, retired: true }) : state
    }
    default: {
      const _: never = event
      return _
    }
  }
}

// ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type FreshKey = Omit<Extract<SigningKeyEvent, { type: 'DkimKeyAdded' }>['data'], 'name'>

/** `keys` are fresh, one for each algorithm. */
export type SigningKeyCommand =
  | { type: 'EnsureSigningKeys'; name: string; keys: readonly FreshKey[] }
  | { type: 'RotateSigningKeys'; name: string; keys: readonly FreshKey[] }

/** Keys of one domain, retired ones included: a stream is folded whole. */
export const MAX_KEYS = 200

// ── Decide ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Ensuring adds what is missing; rotating adds new keys and retires every other one. */
export function decide(
  command: SigningKeyCommand,
  state: SigningKeys,
):
  | { readonly events: readonly SigningKeyEvent[] }
  | { readonly refused: { readonly code: 'too-many'; readonly message: string } } {
  const { name, keys } = command
  const active = activeKeys(state)
  const add = (each: FreshKey): SigningKeyEvent => ({ type: 'DkimKeyAdded', data: { name, ...each } })
  const fresh = keys.filter(({ selector }) => !state.has(selector))
  if (state.size + fresh.length > MAX_KEYS)
    return { refused: { code: 'too-many', message: `A domain has at most ${MAX_KEYS} signing keys in its life.` } }
  switch (command.type) {
    case 'EnsureSigningKeys':
      return {
        events: fresh.filter(({ algorithm }) => active.every((key) => key.algorithm !== algorithm)).map(add),
      }
    case 'RotateSigningKeys':
      return {
        events: [
          ...fresh.map(add),
          ...active.map(({ selector }): SigningKeyEvent => ({ type: 'DkimKeyRetired', data: { name, selector } })),
        ],
      }
    default: {
      const _: never = command
      return _
    }
  }
}
