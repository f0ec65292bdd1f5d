// The web app against the real server: from the sign-in link to a reply, with mail that comes by SMTP meanwhile, and filter rules.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { temporaryFolder } from '../support/folders.ts'
import { type ServerProcess, startServer } from '../support/server.ts'
import { SmtpClient } from '../support/smtp-client.ts'
import { complaints, launch, newPage } from './harness.ts'

const PASSWORD = 'correct horse battery'
const ADMIN = 'admin@example.test'

let server: ServerProcess
let browser: Browser
let page: Page
const cleanup: (() => void)[] = []

/** Brings a message by SMTP, as another server would. */
async function deliver(subject: string, text = 'Shall we take the house by the lake?'): Promise<void> {
  const client = await SmtpClient.ready(server.ports['smtp'] ?? 0)
  for (const line of ['MAIL FROM:<theo@elsewhere.test>', `RCPT TO:<${ADMIN}>`, 'DATA']) {
    const { code } = await client.command(line)
    assert.ok(code < 400, `${line}: ${code}`)
  }
  const header = `From: Theo Lindqvist <theo@elsewhere.test>\r\nTo: ${ADMIN}\r\nSubject: ${subject}\r\nDate: Sun, 01 Mar 2026 09:30:05 +0000\r\nMessage-ID: <${subject.replaceAll(' ', '.')}@elsewhere.test>`
  const { code } = await client.command(`${header}\r\n\r\n${text}\r\n.`)
  assert.equal(code, 250)
  await client.quit()
}

const row = (subject: string) => page.locator('[role=row]:not(.placeholder)', { hasText: subject })

before(async () => {
  const data = temporaryFolder()
  server = await startServer(data, { EVERPOST_HTTP_PORT: '0', EVERPOST_UNDO_SEND_SECONDS: '60' })
  browser = await launch()
  page = await newPage(browser)
})
after(async () => {
  await browser?.close()
  await server?.end('SIGKILL')
  for (const run of cleanup) run()
  assert.deepEqual(complaints, [])
})

describe('the real server', () => {
  test('lets its first person in by the link that it printed', async () => {
    const link = /https?:\/\/\S+\/welcome\?token=\S+/.exec(server.said.join('\n'))?.[0]
    assert.ok(link, server.said.join('\n'))
    await page.goto(link)
    await page.getByLabel('New password', { exact: true }).fill(PASSWORD)
    await page.getByLabel('Repeat the password').fill(PASSWORD)
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/m\/inbox/)
    await page.locator('.account-button').waitFor()
  })

  test('shows mail that comes by SMTP at once, and its text', async () => {
    await deliver('Offsite plans')
    await row('Offsite plans').waitFor()
    await row('Offsite plans').click()
    await page.getByText('Shall we take the house by the lake?').first().waitFor()
  })

  test('finds it by a word of its text', async () => {
    await deliver('Lunch', 'Nothing about houses')
    await row('Lunch').waitFor()
    await page.locator('.search input').fill('lake')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/search\?q=lake/)
    await row('Offsite plans').waitFor()
    assert.equal(await row('Lunch').count(), 0)
    await page.goto(new URL('/m/inbox', page.url()).href)
    await row('Lunch').waitFor()
  })

  test('answers it, and keeps the answer in Sent', async () => {
    await row('Offsite plans').click()
    await page.getByRole('button', { name: 'Reply', exact: true }).last().click()
    await page.locator('.composer [contenteditable=true], .composer textarea').last().click()
    await page.keyboard.type('Yes, let us.')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.locator('.composer').waitFor({ state: 'detached' })
    await page.goto(new URL('/m/sent', page.url()).href)
    await row('Re: Offsite plans').waitFor()
  })

  test('takes a message back: it is open again as written, and is not delivered', async () => {
    await page.goto(new URL('/m/inbox', page.url()).href)
    await row('Offsite plans').waitFor()
    await page.keyboard.press('c')
    await page.getByLabel('To', { exact: true }).fill(ADMIN)
    await page.getByLabel('Subject').fill('Too early')
    await page.getByRole('textbox', { name: 'Message' }).fill('Not finished.')
    await page.keyboard.press('Control+Enter')
    await page.getByRole('status').getByText('Message sent').waitFor()
    await page.locator('.composer').waitFor({ state: 'detached' })
    await page.keyboard.press('z')
    await page.getByText('Sending undone').waitFor()
    assert.equal(await page.getByRole('textbox', { name: 'Message' }).inputValue(), 'Not finished.')
    const submissions = await page.evaluate(async () => {
      const response = await fetch('/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-everpost': '1' },
        body: JSON.stringify({ query: '{ submissions { subject state } }' }),
      })
      return ((await response.json()) as { data: { submissions: { subject: string; state: string }[] } }).data
        .submissions
    })
    assert.deepEqual(
      submissions.filter(({ subject }) => subject === 'Too early'),
      [{ subject: 'Too early', state: 'cancelled' }],
    )
    // Written on and sent again: one copy in Sent, no draft left behind.
    await page.getByRole('textbox', { name: 'Message' }).fill('Finished.')
    await page.keyboard.press('Control+Enter')
    await page.getByRole('status').getByText('Message sent').waitFor()
    await page.goto(new URL('/m/sent', page.url()).href)
    await row('Too early').waitFor()
    assert.equal(await row('Too early').count(), 1)
    await page.goto(new URL('/m/drafts', page.url()).href)
    await page.getByText('Nothing here').waitFor()
  })

  test('moves mail to a folder', async () => {
    await page.goto(new URL('/m/inbox', page.url()).href)
    await row('Lunch').click()
    await page.keyboard.press('v')
    await page.getByRole('dialog').getByRole('textbox').or(page.getByRole('dialog').getByRole('combobox')).fill('Arch')
    await page.keyboard.press('Enter')
    await row('Lunch').waitFor({ state: 'detached' })
    await page.goto(new URL('/m/archive', page.url()).href)
    await row('Lunch').waitFor()
  })
})

describe('filter rules', () => {
  const script = () => page.getByLabel('Script')

  test('are written with checks that lead to the place', async () => {
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByRole('menuitem', { name: 'Filter rules' }).click()
    await page.waitForURL(/\/settings\/rules$/)
    await page.getByText('No filter rules yet.').waitFor()
    await page.getByRole('button', { name: 'New rules' }).click()
    await script().fill('require "fileinto";\nfilinto "Archive";\n')
    await page.getByRole('button', { name: /Line 2, column 1 There is no command "filinto"/ }).click()
    assert.equal(await script().evaluate((area: HTMLTextAreaElement) => area.selectionStart), 20)
  })

  test('are tried on mail that is there', async () => {
    await script().fill('require "fileinto";\nif header :contains "subject" "plans" { fileinto "Archive"; }\n')
    await page.getByText('The script can run.').waitFor()
    await page.getByRole('button', { name: 'Try', exact: true }).click()
    await page.getByRole('cell', { name: 'filed into Archive' }).waitFor()
  })

  test('are saved by keyboard and put in force, and then file mail that comes', async () => {
    await script().press('Control+s')
    await page.getByText('Saved.').waitFor()
    const inForce = page.getByRole('switch', { name: 'In force: main' })
    assert.equal(await inForce.getAttribute('aria-checked'), 'false')
    await inForce.press('Space')
    await page.locator('[role=switch][aria-checked=true]').waitFor()
    await page.reload()
    await page.locator('[role=switch][aria-checked=true]').waitFor()
    assert.match(await script().inputValue(), /fileinto "Archive"/)
    await page.goto(new URL('/m/archive', page.url()).href)
    await row('Lunch').waitFor()
    await deliver('More plans')
    await row('More plans').waitFor()
  })

  test('speak Korean', async () => {
    await page.getByRole('button', { name: 'Settings' }).click()
    await page
      .getByRole('menuitemradio', { name: '한국어' })
      .or(page.getByRole('menuitemcheckbox', { name: '한국어' }))
      .click()
    await page.goto(new URL('/settings/rules', page.url()).href)
    await page.getByRole('heading', { name: '메일 규칙' }).waitFor()
    await page.getByRole('switch', { name: '적용 중: main' }).waitFor()
  })
})
