// STATUS (RFC 9051 §6.3.11, RFC 7162 §3.1.7, RFC 8438, RFC 8474, RFC 7889).
import { BadCommand } from '../errors.ts'
import type { Place } from '../places.ts'
import type { Session } from '../session.ts'
import type { Command, CommandArguments } from './command.ts'

const ITEMS = [
  'MESSAGES',
  'UIDNEXT',
  'UIDVALIDITY',
  'UNSEEN',
  'RECENT',
  'DELETED',
  'SIZE',
  'HIGHESTMODSEQ',
  'MAILBOXID',
  'APPENDLIMIT',
] as const
export type StatusItem = (typeof ITEMS)[number]

export const status: Command = {
  name: 'STATUS',
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const path = session.nameIn(args.astring())
    args.space()
    const items = readStatusItems(args)
    args.end()
    await writeStatus(session, await session.needPlace(path, 'r'), items)
    return {}
  },
}

export function readStatusItems(args: CommandArguments): readonly StatusItem[] {
  return args.list(() => {
    const item = args.word() as StatusItem
    if (!ITEMS.includes(item)) throw new BadCommand(`There is no status ${item.slice(0, 40)}`)
    return item
  })
}

export async function writeStatus(session: Session, place: Place, items: readonly StatusItem[]): Promise<void> {
  if (items.includes('HIGHESTMODSEQ')) session.enabled.add('CONDSTORE')
  const parts: string[] = []
  for (const item of items) parts.push(`${item} ${await statusOf(session, place, item)}`)
  session.out.line(`* STATUS ${session.nameOut(place.path)} (${parts.join(' ')})`)
}

async function statusOf(session: Session, { account, folder }: Place, item: StatusItem): Promise<string | number> {
  switch (item) {
    case 'MESSAGES':
      return folder.total
    case 'UIDNEXT':
      return folder.uidNext
    case 'UIDVALIDITY':
      return folder.uidValidity
    case 'UNSEEN':
      return folder.unread
    case 'RECENT':
      return 0
    case 'SIZE':
      return folder.bytes
    case 'HIGHESTMODSEQ':
      return folder.modseq
    case 'MAILBOXID':
      return `(${folder.id})`
    case 'APPENDLIMIT':
      return session.limits.messageBytes
    case 'DELETED':
      return (await session.services.live.of(account).index(folder.id))?.countFlagged('\\deleted') ?? 0
    default: {
      const _: never = item
      return _
    }
  }
}
