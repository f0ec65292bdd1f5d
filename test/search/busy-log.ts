// A long log of one busy mailbox and a neighbour, the same every time.
import { TestLog } from './log.ts'
import { generator } from './texts.ts'

const WORDS = ['red', 'blue', 'fox', 'hen', 'invoice', '검색', '東京']

export function busyLog(events: number): TestLog {
  const random = generator(events)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const log = new TestLog().open('a').open('b')
  const arrived: string[] = []
  while (log.events.length < events) {
    const account = random() < 0.8 ? 'a' : 'b'
    const roll = random()
    const id = `${account}${log.events.length}`
    const known = pick(arrived) ?? id
    if (roll < 0.6 || arrived.length === 0) {
      const text = Array.from({ length: 1 + Math.floor(random() * 20) }, () => pick(WORDS)).join(' ')
      log.receive(account, {
        id,
        text,
        subject: pick(WORDS),
        from: `${pick(WORDS)}@example.com`,
        receivedAt: Math.floor(random() * 1e12),
      })
      arrived.push(id)
    } else if (roll < 0.75) {
      log.append(account, { type: 'FlagsChanged', data: { messageIds: [known], add: ['\\seen'], remove: [] } })
    } else if (roll < 0.83) {
      log.append(account, {
        type: 'MessageMoved',
        data: { messageId: known, folderId: pick(['inbox', 'archive', 'work']) },
      })
    } else if (roll < 0.88) {
      log.append(account, { type: 'MessageCopied', data: { messageId: known, copyId: `c${id}`, folderId: 'archive' } })
    } else if (roll < 0.96) {
      log.append(account, { type: 'MessagesExpunged', data: { messageIds: [known] } })
    } else {
      log.append(account, { type: 'MessageRestored', data: { messageId: known, folderId: 'inbox' } })
    }
  }
  return log
}
