// everpost domain …: which domains mail is taken for, their signing keys, and what they publish.
import { contextOf } from '../../commands/context.ts'
import { addDomain } from '../../commands/open-account.ts'
import { changeSigningKeys, loadSigningKeys } from '../../commands/signing-keys.ts'
import { type DnsRecordToPublish, recordsFor, zoneText } from '../../domain/delivery/dns-records.ts'
import type { SigningKeys } from '../../domain/delivery/signing-keys.ts'
import { normalizeAddress } from '../../domain/mail/address.ts'
import { parse, printJson, printTable, words } from './arguments.ts'
import { type CliIo, CliRefusal, type CliServices } from './services.ts'

const JSON_OPTION = { json: { type: 'boolean' } } as const

const context = (services: CliServices) => contextOf('cli', 'cli', { at: services.now() })

export async function domainAdd(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  const [name = ''] = words(positionals, ['NAME'])
  const added = await addDomain(services, context(services), name)
  if (!added.ok) throw new CliRefusal(added.refusal.message)
  const keys = await ensureKeys(services, added.domain, false)
  await services.settle()
  const records = recordsOf(services, added.domain, keys)
  if (values.json) return printJson(io, { domain: added.domain, added: added.added, records })
  io.out(added.added ? `Mail for ${added.domain} is taken now.\n` : `Mail for ${added.domain} was taken already.\n`)
  io.out('Publish these records, so that mail finds this server and others believe yours:\n\n')
  printRecords(io, records)
}

export async function domainList(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  words(positionals, [])
  const domains = await services.directory.domains()
  if (values.json) return printJson(io, domains)
  for (const domain of domains) io.out(`${domain}\n`)
}

export async function domainRecords(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  const domain = nameOf(words(positionals, ['NAME'])[0] ?? '')
  const loaded = await loadSigningKeys(services, domain)
  if (!loaded) throw notOurs(domain)
  const records = recordsOf(services, domain, loaded.keys)
  if (values.json) return printJson(io, records)
  printRecords(io, records)
}

export async function domainDkim(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { rotate: { type: 'boolean' }, ...JSON_OPTION })
  const domain = nameOf(words(positionals, ['NAME'])[0] ?? '')
  const keys = [...(await ensureKeys(services, domain, values.rotate ?? false)).values()]
  await services.settle()
  const shown = keys.map(({ selector, algorithm, retired }) => ({ selector, algorithm, retired }))
  if (values.json) return printJson(io, { domain, keys: shown })
  printTable(
    io,
    ['SELECTOR', 'ALGORITHM', 'STATE'],
    shown.map(({ selector, algorithm, retired }) => [selector, algorithm, retired ? 'retired' : 'signs']),
  )
  io.out(`What to publish: everpost domain records ${domain}\n`)
}

const notOurs = (domain: string) =>
  new CliRefusal(`${domain} is not a domain of this server: everpost domain add ${domain}`)

function nameOf(text: string): string {
  const normal = normalizeAddress(`postmaster@${text}`)
  if (!normal) throw new CliRefusal(`${text} is not a domain name.`)
  return normal.domain
}

async function ensureKeys(services: CliServices, domain: string, rotate: boolean): Promise<SigningKeys> {
  const changed = await changeSigningKeys(services, context(services), domain, rotate)
  if (!changed.ok) throw new CliRefusal(changed.refusal.message)
  return changed.keys
}

const recordsOf = (services: CliServices, domain: string, keys: SigningKeys) =>
  recordsFor(domain, services.mailHost, [...keys.values()], services.now())

function printRecords(io: CliIo, records: readonly DnsRecordToPublish[]): void {
  for (const { name, type, value, why } of records) {
    const shown = type === 'TXT' ? zoneText(value) : value
    io.out(`; ${why}\n`)
    io.out(type === 'HTTPS file' ? `${name}\n${value.replace(/^/gm, '    ')}\n\n` : `${name}.  ${type}  ${shown}\n\n`)
  }
}
