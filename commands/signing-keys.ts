// Keys that sign the mail of a domain: made, rotated, read back. They live on the log, sealed, and nowhere else.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  decide,
  evolve,
  type FreshKey,
  noSigningKeys,
  type SigningKeyEvent,
  type SigningKeys,
} from '../domain/delivery/signing-keys.ts'
import { encodeId } from '../domain/ids.ts'
import { domainStream, type Revision } from '../domain/log.ts'
import { type CommandContext, type Outcome, refused, toNewEvents } from './context.ts'
import type { Journal } from './ports/journal.ts'
import type { Keyring } from './ports/keyring.ts'

export interface SigningKeyPorts {
  readonly journal: Journal
  readonly keyring: Keyring
}

const ATTEMPTS = 10
const RSA_BITS = 2048

/** Keys of a domain, retired ones too; undefined for a domain that is not ours. `domain` is normalised. */
export async function loadSigningKeys(
  { journal, keyring }: SigningKeyPorts,
  domain: string,
): Promise<{ readonly keys: SigningKeys; readonly revision: Revision } | undefined> {
  let keys = noSigningKeys
  let revision: Revision | undefined
  for await (const event of journal.readStream(domainStream(keyring.nameHash(domain)))) {
    revision = event.revision
    if ('redacted' in event) continue
    if (event.type === 'DkimKeyAdded' || event.type === 'DkimKeyRetired') keys = evolve(keys, event as SigningKeyEvent)
  }
  return revision === undefined ? undefined : { keys, revision }
}

/** Makes the keys that a domain lacks, or with `rotate` new ones for all. Answers its keys as they are then. */
export async function changeSigningKeys(
  ports: SigningKeyPorts,
  context: CommandContext,
  domain: string,
  rotate: boolean,
): Promise<Outcome<{ readonly keys: SigningKeys }, 'no-such-domain' | 'too-many' | 'busy'>> {
  const fresh = freshKeys(context.at)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const loaded = await loadSigningKeys(ports, domain)
    if (!loaded)
      return refused('no-such-domain', `${domain} is not a domain of this server: everpost domain add ${domain}`)
    const decision = decide(
      { type: rotate ? 'RotateSigningKeys' : 'EnsureSigningKeys', name: domain, keys: fresh },
      loaded.keys,
    )
    if ('refused' in decision) return { ok: false, refusal: decision.refused }
    if (decision.events.length === 0) return { ok: true, keys: loaded.keys }
    const result = await ports.journal.append({
      stream: domainStream(ports.keyring.nameHash(domain)),
      expected: loaded.revision,
      events: toNewEvents(decision.events, 'system', context),
    })
    if (result.ok) return { ok: true, keys: decision.events.reduce(evolve, loaded.keys) }
  }
  return refused('busy', 'The domain is being changed by someone else just now: try again.')
}

/** One pair for each algorithm, under selectors that no earlier pair had. */
function freshKeys(at: number): readonly FreshKey[] {
  const name = `${new Date(at).toISOString().slice(0, 10).replaceAll('-', '')}${encodeId(randomBytes(3)).slice(0, 4)}`
  const pem = { type: 'pkcs8', format: 'pem' } as const
  const der = { type: 'spki', format: 'der' } as const
  const rsa = generateKeyPairSync('rsa', { modulusLength: RSA_BITS, privateKeyEncoding: pem, publicKeyEncoding: der })
  const ed = generateKeyPairSync('ed25519', { privateKeyEncoding: pem, publicKeyEncoding: der })
  return [
    {
      selector: `r${name}`,
      algorithm: 'rsa-sha256',
      publicKey: Buffer.from(rsa.publicKey).toString('base64'),
      privateKey: String(rsa.privateKey),
    },
    {
      selector: `e${name}`,
      algorithm: 'ed25519-sha256',
      // RFC 8463 §4.2: the bare 32 bytes, which stand at the end of the DER form.
      publicKey: Buffer.from(ed.publicKey).subarray(-32).toString('base64'),
      privateKey: String(ed.privateKey),
    },
  ]
}
