// Mail to look at: believable conversations on top of a long inbox.

import type { MockMailbox, MockMessage } from './mock-mailbox.ts'

const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString()
const person = (name: string, address: string) => ({ name, address })

const minji = person('김민지', 'minji.kim@example.kr')
const tomas = person('Tomás Rivera', 'tomas@northlight.example')
const ada = person('Ada Lovelace', 'ada@example.test')

const NAMES = [
  'Priya Raman',
  '이서준',
  'Jonas Berg',
  'Noor Haddad',
  'Claire Dubois',
  '박지우',
  'Sam Okafor',
  'Mei Tanaka',
  'Northlight Billing',
  'Harbor Weekly',
]
const SUBJECTS = [
  'Minutes of the planning meeting',
  '다음 주 일정 공유드립니다',
  'Your invoice for November',
  'Re: Roof repair quote',
  'Photos from Saturday',
  '회의록 검토 부탁드립니다',
  'Reading list for December',
  'Deploy finished: everpost-web 214',
  'Lunch on Thursday?',
  'New sign-in from Firefox on Linux',
]
const WORDS = [
  'Thanks for the quick turnaround, the numbers look right to me.',
  '첨부한 자료를 확인해 주시면 감사하겠습니다.',
  'Let me know whether Thursday still works for everybody.',
  'We moved the review to 15:00 so that Seoul can join.',
  '지난번에 말씀하신 내용을 반영했습니다.',
]

/** A long inbox of `count` messages, the newest `unread` of them unread. */
export function fillInbox(mailbox: MockMailbox, count: number, unread = 12): void {
  for (let index = count; index >= 1; index--) {
    const name = NAMES[index % NAMES.length] ?? ''
    const text = `${WORDS[index % WORDS.length]}\n\nBest,\n${name}\n`
    mailbox.store({
      id: `in${index}`,
      subject: `${SUBJECTS[index % SUBJECTS.length]} #${index}`,
      from: [person(name, `${name.split(' ')[0]?.toLowerCase()}@example.org`)],
      receivedAt: minutesAgo(60 + index * 37),
      flags: index <= unread ? [] : index % 11 === 0 ? ['\\seen', '\\flagged'] : ['\\seen'],
      text,
    })
  }
}

export function conversations(
  mailbox: MockMailbox,
): Record<'thread' | 'html' | 'images' | 'files' | 'hostile', MockMessage> {
  const quoted =
    'On Mon, 16 Nov 2026, 09:12, Ada Lovelace wrote:\n> Could you send the new figures?\n> The board meets on Friday.\n'
  for (let index = 0; index < 6; index++) {
    mailbox.store({
      id: `th${index}`,
      threadId: 'roadmap',
      subject: index === 0 ? 'Roadmap for spring' : 'Re: Roadmap for spring',
      from: [index % 2 ? ada : tomas],
      to: [index % 2 ? tomas : ada],
      folderId: index % 2 ? 'sent' : 'inbox',
      flags: ['\\seen'],
      receivedAt: minutesAgo(5000 - index * 600),
      text: `Point ${index + 1}: ${WORDS[index % WORDS.length]}\n\n${index > 0 ? quoted : ''}`,
    })
  }
  const thread = mailbox.store({
    id: 'thread-last',
    threadId: 'roadmap',
    subject: 'Re: Roadmap for spring',
    from: [tomas],
    cc: [minji, person('Priya Raman', 'priya@example.org')],
    receivedAt: minutesAgo(4),
    text: `Hi Ada,\n\nI put the figures on https://northlight.example/figures (page 3), and the open questions are below.\n\n  1. Do we ship search before the new reader?\n  2. Who talks to the Seoul team?\n\nTomás\n\n${quoted}`,
  })
  const html = mailbox.store({
    id: 'html',
    subject: '11월 뉴스레터 — 가을의 끝에서',
    from: [person('하버 위클리', 'weekly@harbor.example')],
    receivedAt: minutesAgo(23),
    snippet: '이번 주에는 항구의 새 서점과 늦가을 산책길을 소개합니다.',
    text: '이번 주에는 항구의 새 서점과 늦가을 산책길을 소개합니다.',
    page: '<div style="max-width:560px;margin:0 auto;padding:24px;font-family:sans-serif"><h1 style="color:#7a3a00">가을의 끝에서</h1><p>이번 주에는 항구의 <b>새 서점</b>과 늦가을 산책길을 소개합니다.</p><p><a href="https://harbor.example/read">전체 읽기</a></p></div>',
  })
  const images = mailbox.store({
    id: 'images',
    subject: 'Your November statement is ready',
    from: [person('Northlight Billing', 'billing@northlight.example')],
    receivedAt: minutesAgo(41),
    text: 'Your statement is ready.',
    remoteImageCount: 3,
    page: '<p>Your statement is ready.</p><img id="remote" data-remote="/proxy.png?u=1" width="200" height="60" alt="Northlight"><p>Total: €42.00</p>',
  })
  const files = mailbox.store({
    id: 'files',
    subject: '회의록과 예산안 첨부드립니다',
    from: [minji],
    flags: ['\\flagged'],
    receivedAt: minutesAgo(12),
    text: '안녕하세요 에이다님,\n\n지난 회의록과 내년 예산안을 첨부합니다. 금요일까지 검토 부탁드립니다.\n\n김민지 드림\n',
    attachments: [
      {
        section: '2',
        filename: '회의록_2026-11-20.pdf',
        type: 'application/pdf',
        size: 284_113,
        inline: false,
        contentId: null,
        url: '/file/1',
      },
      {
        section: '3',
        filename: 'budget-2027.xlsx',
        type: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
        size: 48_210,
        inline: false,
        contentId: null,
        url: '/file/2',
      },
      {
        section: '4',
        filename: 'harbor.jpg',
        type: 'image/jpeg',
        size: 2_310_554,
        inline: false,
        contentId: null,
        url: '/file/3',
      },
    ],
  })
  const hostile = mailbox.store({
    id: 'hostile',
    subject: 'You have won',
    from: [person('Prize Office', 'win@scam.example')],
    receivedAt: minutesAgo(55),
    text: 'hostile',
    page: `<p id="ok">You have won.</p><script>parent.postMessage({type:'ran',by:'script'},'*')</script>
<img src="x:" onerror="parent.postMessage({type:'ran',by:'onerror'},'*')">
<svg onload="parent.postMessage({type:'ran',by:'svg'},'*')"></svg>
<a id="js" href="javascript:parent.postMessage({type:'ran',by:'href'},'*')">claim</a>
<form action="/session" method="post"><input name="a"><button id="post">go</button></form>
<iframe src="/m/inbox"></iframe>`,
  })
  return { thread, html, images, files, hostile }
}
