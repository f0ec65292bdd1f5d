// everpost account …, token …: who has a mailbox here and how they sign in.
import { changeAccount, eraseAccount } from '../../commands/change-account.ts'
import { contextOf } from '../../commands/context.ts'
import { newId } from '../../commands/identity.ts'
import { addAddress, claimedBy, openAccount } from '../../commands/open-account.ts'
import { hashPassword, newSecret, passwordProblem } from '../../commands/passwords.ts'
import { newVerifier } from '../../commands/scram.ts'
import type { AccountCommand, AccountRole } from '../../domain/account/account.ts'
import type { AccountId } from '../../domain/log.ts'
import { normalizeAddress, ownAddress } from '../../domain/mail/address.ts'
import { accountNamed, parse, printJson, printTable, size, words } from './arguments.ts'
import { type CliIo, CliRefusal, type CliServices, CliUsage } from './services.ts'

const context = (services: CliServices) => contextOf('cli', 'cli', { at: services.now() })
const JSON_OPTION = { json: { type: 'boolean' } } as const

export async function accountAdd(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, {
    name: { type: 'string' },
    role: { type: 'string' },
    'password-stdin': { type: 'boolean' },
    ...JSON_OPTION,
  })
  const [address = ''] = words(positionals, ['ADDRESS'])
  const role = roleOf(values.role)
  const password = values['password-stdin'] ? await readPassword(io) : undefined
  const opened = await openAccount(services, context(services), {
    address,
    role,
    ...(values.name ? { name: values.name } : {}),
  })
  if (!opened.ok) throw new CliRefusal(opened.refusal.message)
  if (password !== undefined) await setPassword(services, opened.accountId, password)
  await services.settle()
  if (values.json) return printJson(io, { id: opened.accountId, address: opened.address, role })
  io.out(`${opened.address} has a mailbox now.\n`)
  if (password === undefined)
    io.out(`Give it a password: everpost account password ${opened.address} --password-stdin\n`)
}

export async function accountList(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  words(positionals, [])
  const accounts = await Promise.all(
    (await services.directory.accounts()).map(async (account) => {
      const usage = await services.mailbox.usage(account.id)
      return { ...account, ...usage }
    }),
  )
  if (values.json) {
    return printJson(
      io,
      accounts.map(({ id, address, name, role, quota, holds, messages, bytes, addresses, slowed }) => ({
        id,
        address,
        name,
        role,
        quota,
        holds,
        messages,
        bytes,
        addresses: addresses.map((entry) => entry.address),
        slowed: (slowed?.until ?? 0) > services.now() ? slowed : null,
      })),
    )
  }
  if (accounts.length === 0) return io.out('No accounts yet: everpost account add ADDRESS\n')
  printTable(
    io,
    ['ADDRESS', 'NAME', 'ROLE', 'MESSAGES', 'SIZE', 'HOLDS', 'SENDING'],
    accounts.map(({ address, name, role, messages, bytes, holds, slowed }) => [
      address,
      name,
      role,
      `${messages}`,
      size(bytes),
      holds.join(' '),
      slowed && slowed.until > services.now() ? `slowed: ${slowed.detail}` : '',
    ]),
  )
}

export async function accountPassword(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { 'password-stdin': { type: 'boolean' }, ...JSON_OPTION })
  const [address = ''] = words(positionals, ['ADDRESS'])
  if (!values['password-stdin']) throw new CliUsage('The password is read from stdin: add --password-stdin.')
  const account = await accountNamed(services, address)
  await setPassword(services, account.id, await readPassword(io))
  await services.settle()
  if (values.json) return printJson(io, { id: account.id, address: account.address })
  io.out(`${account.address} has a new password; every earlier session is over.\n`)
}

export async function accountAlias(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  const [address = '', alias = ''] = words(positionals, ['ADDRESS', 'ALIAS'])
  const account = await accountNamed(services, address)
  const added = await addAddress(services, context(services), account.id, alias)
  if (!added.ok) throw new CliRefusal(added.refusal.message)
  await services.settle()
  if (values.json) return printJson(io, { id: account.id, address: added.address })
  io.out(`Mail for ${added.address} goes to ${account.address} now.\n`)
}

export async function accountQuota(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  const [address = '', amount = ''] = words(positionals, ['ADDRESS', 'SIZE|none'])
  const bytes = amount === 'none' ? null : parseSize(amount)
  const account = await accountNamed(services, address)
  await change(services, account.id, { type: 'ChangeQuota', bytes })
  if (values.json) return printJson(io, { id: account.id, address: account.address, quota: bytes })
  io.out(
    bytes === null ? `${account.address} has no quota now.\n` : `${account.address} may keep ${size(bytes)} now.\n`,
  )
}

export async function accountHold(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, {
    reason: { type: 'string' },
    release: { type: 'string' },
    ...JSON_OPTION,
  })
  const [address = ''] = words(positionals, ['ADDRESS'])
  const account = await accountNamed(services, address)
  const holdId = values.release ?? newId()
  if (values.release === undefined && !values.reason) throw new CliUsage('A hold needs its reason: --reason TEXT.')
  await change(
    services,
    account.id,
    values.release === undefined
      ? { type: 'PlaceLegalHold', holdId, reason: values.reason ?? '' }
      : { type: 'ReleaseLegalHold', holdId },
  )
  if (values.json) return printJson(io, { id: account.id, holdId })
  if (values.release !== undefined) return io.out(`The legal hold ${holdId} on ${account.address} is released.\n`)
  io.out(
    `${account.address} is under legal hold ${holdId}. Release it: everpost account hold ${account.address} --release ${holdId}\n`,
  )
}

export async function accountErase(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { yes: { type: 'boolean' }, ...JSON_OPTION })
  const [address = ''] = words(positionals, ['ADDRESS'])
  const account = (await unfinishedErasure(services, address)) ?? (await accountNamed(services, address))
  if (!values.yes) {
    throw new CliRefusal(
      `Erasing destroys the key of ${account.address}: its mail can never be read again, here or in any backup. If that is meant, add --yes.`,
    )
  }
  const erased = await eraseAccount(services, context(services), account.id)
  if (!erased.ok) throw new CliRefusal(erased.refusal.message)
  services.forgetKey(account.id)
  await services.settle()
  if (values.json) return printJson(io, { id: account.id, erased: true })
  io.out(`${account.address} is erased.\n`)
}

export async function accountResume(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  const [address = ''] = words(positionals, ['ADDRESS'])
  const account = await accountNamed(services, address)
  await change(services, account.id, { type: 'ResumeSending' })
  if (values.json) return printJson(io, { id: account.id, address: account.address })
  io.out(`${account.address} sends freely again.\n`)
}

/** An account that is erased but whose key is still there: a crash came in between, and the same call again must finish. */
async function unfinishedErasure(services: CliServices, text: string) {
  const normal = normalizeAddress(text)
  const address = normal && ownAddress(normal.address)
  const id = address && (await claimedBy(services, address))
  const account = id ? await services.directory.account(id) : undefined
  return id && address && account?.erased ? { id, address } : undefined
}

export async function tokenCreate(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, { label: { type: 'string' }, ...JSON_OPTION })
  const [address = ''] = words(positionals, ['ADDRESS'])
  const account = await accountNamed(services, address)
  const { secret, hash } = newSecret()
  const appPasswordId = newId()
  const token = `ep_${account.id}_${secret}`
  const scram = await newVerifier(account, token)
  const label = values.label ?? 'token'
  await change(services, account.id, { type: 'AddAppPassword', appPasswordId, label, hash, ...scram })
  if (values.json) return printJson(io, { id: appPasswordId, token })
  io.out(`${token}\n`)
}

export async function tokenList(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  const [address = ''] = words(positionals, ['ADDRESS'])
  const { appPasswords } = await accountNamed(services, address)
  if (values.json)
    return printJson(
      io,
      appPasswords.map(({ id, label }) => ({ id, label })),
    )
  if (appPasswords.length === 0) return io.out(`${address} has no tokens: everpost token create ${address}\n`)
  printTable(
    io,
    ['ID', 'LABEL'],
    appPasswords.map(({ id, label }) => [id, label]),
  )
}

export async function tokenRevoke(services: CliServices, argv: readonly string[], io: CliIo): Promise<void> {
  const { values, positionals } = parse(argv, JSON_OPTION)
  const [address = '', id = ''] = words(positionals, ['ADDRESS', 'ID'])
  const account = await accountNamed(services, address)
  if (!account.appPasswords.some((token) => token.id === id)) {
    throw new CliRefusal(`${account.address} has no token ${id}. See: everpost token list ${account.address}`)
  }
  await change(services, account.id, { type: 'RevokeAppPassword', appPasswordId: id })
  if (values.json) return printJson(io, { id, revoked: true })
  io.out(`The token ${id} opens nothing any more.\n`)
}

async function change(services: CliServices, account: AccountId, command: AccountCommand): Promise<void> {
  const outcome = await changeAccount(services.journal, context(services), account, command)
  if (!outcome.ok) throw new CliRefusal(outcome.refusal.message)
  await services.settle()
}

async function setPassword(services: CliServices, account: AccountId, password: string): Promise<void> {
  const scram = await newVerifier(await services.directory.account(account), password)
  await change(services, account, { type: 'ChangePassword', hash: await hashPassword(password), ...scram })
}

async function readPassword(io: CliIo): Promise<string> {
  const password = (await io.stdin()).replace(/\r?\n$/, '')
  const problem = passwordProblem(password)
  if (problem) throw new CliRefusal(problem)
  return password
}

function roleOf(text: string | undefined): AccountRole {
  if (text === undefined || text === 'user') return 'user'
  if (text === 'admin' || text === 'auditor') return text
  throw new CliUsage(`--role is user, admin or auditor, not ${text}.`)
}

function parseSize(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)\s*([kmgt]?)b?$/i.exec(text)
  if (!parts) throw new CliUsage(`${text} is not a size such as 500M or 10G.`)
  const unit = (parts[2] ?? '').toLowerCase()
  return Math.round(Number(parts[1]) * 1000 ** ['', 'k', 'm', 'g', 't'].indexOf(unit))
}
