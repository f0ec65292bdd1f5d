// GETQUOTA and GETQUOTAROOT (RFC 9208): one root for the whole account.
import { Refused } from '../errors.ts'
import type { Session } from '../session.ts'
import type { Command } from './command.ts'

async function write(session: Session): Promise<void> {
  const { services, accountId, out } = session
  const account = await services.directory.account(accountId)
  const { bytes } = await services.snapshots.usage(accountId)
  const limit = account?.quota ?? null
  // In units of 1,024 bytes; no limit is an empty list.
  const storage = limit === null ? '' : `STORAGE ${Math.ceil(bytes / 1024)} ${Math.floor(limit / 1024)}`
  out.line(`* QUOTA "" (${storage})`)
}

export const getQuota: Command = {
  name: 'GETQUOTA',
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const root = args.astring()
    args.end()
    if (root !== '') throw new Refused('There is no such quota root', 'NONEXISTENT')
    await write(session)
    return {}
  },
}

export const getQuotaRoot: Command = {
  name: 'GETQUOTAROOT',
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const path = session.nameIn(args.astring())
    args.end()
    const place = await session.needPlace(path, 'r')
    // How much room somebody else has is nobody's business.
    const own = place.account === session.accountId
    session.out.line(`* QUOTAROOT ${session.nameOut(place.path)}${own ? ' ""' : ''}`)
    if (own) await write(session)
    return {}
  },
}
