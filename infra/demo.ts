// npm run demo: a server on a throw-away folder with sample people and mail, for looking round.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { contextOf } from '../commands/context.ts'
import { newId } from '../commands/identity.ts'
import { openAccount } from '../commands/open-account.ts'
import { receiveMail } from '../commands/receive-mail.ts'
import { composeMail } from '../domain/mail/compose.ts'
import { readMail } from '../domain/mail/read.ts'
import type { Config } from './config.ts'
import { startServer } from './serve.ts'

const PEOPLE = [
  { local: 'mina', name: 'Mina Park' },
  { local: 'theo', name: 'Theo Lindqvist' },
  { local: 'amara', name: 'Amara Okafor' },
] as const

interface Sample {
  readonly from: string
  readonly name: string
  readonly subject: string
  readonly text: string
  readonly html?: string
  /** Answers the sample of this index. */
  readonly answers?: number
  readonly attachment?: { readonly filename: string; readonly type: string; readonly bytes: Uint8Array }
}

const SAMPLES: readonly Sample[] = [
  {
    from: 'theo',
    name: 'Theo Lindqvist',
    subject: 'Offsite in May',
    text: 'Hi Mina,\n\nshall we take the house by the lake again? I can hold it until Friday.\n\nTheo',
  },
  {
    from: 'amara',
    name: 'Amara Okafor',
    subject: 'Re: Offsite in May',
    text: '+1 for the lake. I will bring the projector this time.\n\nAmara',
    answers: 0,
  },
  {
    from: 'billing@shop.test',
    name: 'Riverside Books',
    subject: 'Your receipt 2026-1184',
    text: 'Thank you for your order: "The Log" (1 copy), 24.00 EUR.',
    attachment: {
      filename: 'receipt-2026-1184.txt',
      type: 'text/plain',
      bytes: Buffer.from('1 x The Log   24.00 EUR\n'),
    },
  },
  {
    from: 'news@weekly.test',
    name: 'Systems Weekly',
    subject: 'What an append-only log makes easy',
    text: 'This week: time travel, audits, rebuilds.',
    html: '<h1>What an append-only log makes easy</h1><p>This week: <b>time travel</b>, audits, rebuilds.</p><p><img src="https://weekly.test/pixel.gif" width="1" height="1"><img src="https://weekly.test/cover.png" width="560" alt="Cover"></p><p><a href="https://weekly.test/42">Read it online</a></p>',
  },
  {
    from: 'sujin@korea.test',
    name: '김수진',
    subject: '회의 일정 안내',
    text: '안녕하세요,\n\n다음 주 화요일 오전 10시에 회의가 있습니다. 장소는 3층 대회의실입니다.\n\n감사합니다.\n김수진 드림',
  },
  {
    from: 'amara',
    name: 'Amara Okafor',
    subject: 'Figures for the board',
    text: 'Here they are. The third chart still needs the June numbers.\n\nAmara',
    attachment: {
      filename: 'figures.csv',
      type: 'text/csv',
      bytes: Buffer.from('month,mails\n2026-04,120331\n2026-05,131204\n'),
    },
  },
]

export async function runDemo(config: Config): Promise<number> {
  const data = mkdtempSync(join(tmpdir(), 'everpost-demo-'))
  const server = await startServer({ ...config, data })
  try {
    const { services, journal, blobs } = server.everpost
    const accounts = new Map<string, string>()
    for (const { local, name } of PEOPLE) {
      const role = local === 'mina' ? 'admin' : 'user'
      const opened = await openAccount(services, contextOf('demo', 'system'), {
        address: `${local}@${config.domain}`,
        name,
        role,
      })
      if (opened.ok) accounts.set(local, opened.accountId)
    }
    await services.settle()
    const to = { name: 'Mina Park', address: `mina@${config.domain}` }
    const ids = SAMPLES.map((_, i) => `demo-${i}@${config.domain}`)
    for (const [i, sample] of SAMPLES.entries()) {
      const at = Date.now() - (SAMPLES.length - i) * 47 * 60_000
      const address = sample.from.includes('@') ? sample.from : `${sample.from}@${config.domain}`
      const answered = sample.answers === undefined ? [] : [ids[sample.answers] as string]
      const raw = composeMail({
        from: { name: sample.name, address },
        to: [to],
        subject: sample.subject,
        text: sample.text,
        date: at,
        messageId: ids[i] as string,
        ...(sample.html ? { html: sample.html } : {}),
        ...(answered.length > 0 ? { inReplyTo: answered[0] as string, references: answered } : {}),
        ...(sample.attachment ? { attachments: [sample.attachment] } : {}),
      })
      await receiveMail(journal, contextOf('demo', 'smtp', { at }), {
        intakeId: newId(),
        mailFrom: address,
        recipients: [{ accountId: accounts.get('mina') ?? '', address: to.address }],
        blob: await blobs.put(raw),
        mail: readMail(raw),
      })
    }
    const link = `${server.url}/welcome?token=${await server.web?.createWelcomeToken(accounts.get('mina') ?? '')}`
    process.stdout.write(
      `A demo with sample mail is running; stopping it forgets everything.\nOpen this link to be Mina Park:\n  ${link}\n`,
    )
    process.stdout.write(`Send her mail by SMTP: ${config.host}:${server.ports['smtp']}, to ${to.address}\nready\n`)
    await new Promise<void>((resolve) => {
      process.once('SIGINT', () => resolve())
      process.once('SIGTERM', () => resolve())
    })
  } finally {
    await server.stop()
    rmSync(data, { recursive: true, force: true })
  }
  return 0
}
