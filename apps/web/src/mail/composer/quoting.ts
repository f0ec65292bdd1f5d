// What a reply or a forward starts with.

import type { Address, AddressInput, MessageDetail } from '../../data/types.ts'
import { t } from '../../i18n/index.ts'
import { fullDate, personName } from '../../ui/format.ts'
import { formatAddress } from './recipients.ts'

const input = ({ name, address }: Address): AddressInput => (name ? { name, address } : { address })
const PREFIX = { reply: /^(?:re|답장|회신)\s*:/iu, forward: /^(?:fwd?|전달)\s*:/iu }

export function answerSubject(subject: string, kind: 'reply' | 'forward'): string {
  if (PREFIX[kind].test(subject)) return subject
  return `${kind === 'reply' ? 'Re' : 'Fwd'}: ${subject}`.trim()
}

/** Who a reply goes to: Reply-To before From; to one's own mail, the people it was sent to. */
export function answerRecipients(
  message: MessageDetail,
  all: boolean,
  own: string,
): { to: readonly AddressInput[]; cc: readonly AddressInput[] } {
  const isOwn = (each: Address) => each.address.toLowerCase() === own.toLowerCase()
  const fromMe = message.from.some(isOwn)
  const senders = fromMe ? message.to : message.replyTo.length > 0 ? message.replyTo : message.from
  const to = senders.map(input)
  if (!all) return { to, cc: [] }
  const others = fromMe ? [] : message.to
  const taken = new Set(to.map((each) => each.address.toLowerCase()))
  const rest = (people: readonly Address[]) =>
    people.filter((each) => {
      const key = each.address.toLowerCase()
      if (isOwn(each) || taken.has(key)) return false
      taken.add(key)
      return true
    })
  return { to: [...to, ...rest(others).map(input)], cc: rest(message.cc).map(input) }
}

export function replyText(message: MessageDetail): string {
  const quoted = message.text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => (line.startsWith('>') ? `>${line}` : `> ${line}`.trimEnd()))
    .join('\n')
  const head = t('onWrote', { date: fullDate(message.date ?? message.receivedAt), name: personName(message.from[0]) })
  return `\n\n${head}\n${quoted}\n`
}

export function forwardText(message: MessageDetail): string {
  const people = (list: readonly Address[]) => list.map((each) => formatAddress(input(each))).join(', ')
  const head = [
    t('forwardedHead'),
    `${t('from')}: ${people(message.from)}`,
    `${t('date')}: ${fullDate(message.date ?? message.receivedAt)}`,
    `${t('subject')}: ${message.subject}`,
    `${t('to')}: ${people(message.to)}`,
  ]
  return `\n\n${head.join('\n')}\n\n${message.text.trimEnd()}\n`
}

/** The person's own words: what checks before sending look at. */
export function ownWords(text: string): string {
  const end = text.search(/^(?:On .+ wrote:|.+ 작성:|-{8,} .+ -{8,})$/mu)
  return (end < 0 ? text : text.slice(0, end))
    .split('\n')
    .filter((line) => !line.startsWith('>'))
    .join('\n')
}
