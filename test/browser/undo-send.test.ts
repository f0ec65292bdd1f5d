// Taking a sent message back while the server holds it, and mail that the filter holds.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { newPage, row, signIn, startServer, type TestServer, until, useBrowser } from './harness.ts'

let server: TestServer
let page: Page
const browser = useBrowser(() => ({ page, server }))
const start = async () => {
  server = await startServer(20)
  page = await newPage(browser())
}
const status = () => page.getByRole('status').filter({ hasText: 'Message sent' })
const body = () => page.getByRole('textbox', { name: 'Message' })
const closed = () => page.locator('.composer').waitFor({ state: 'detached' })

async function write(): Promise<void> {
  await page.keyboard.press('c')
  const to = page.getByLabel('To', { exact: true })
  await to.fill('"Kim, Minji" <minji@example.kr>')
  await to.press('Enter')
  await page.getByLabel('Subject').fill('Figures')
  await body().fill('Here they are.')
  await page
    .locator('input[type=file]')
    .setInputFiles({ name: 'figures.txt', mimeType: 'text/plain', buffer: Buffer.from('1 2 3') })
  await page.locator('.file-chip.done').waitFor()
}

describe('undo send', () => {
  test('from another page: the composer is back with all that was written, and nothing is delivered', async () => {
    await start()
    server.holdSends(60)
    const before = server.ids('sent').length
    await signIn(page, server)
    await write()
    await page.keyboard.press('Control+Enter')
    await status().waitFor()
    assert.equal(await page.locator('.toasts').getAttribute('aria-live'), 'polite')
    assert.match((await page.locator('.held-left').textContent()) ?? '', /^(60|5\d) s$/)
    await closed()
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByRole('menuitem', { name: 'Filter rules' }).click()
    await page.getByRole('heading', { name: 'Filter rules' }).waitFor()
    const undo = status().getByRole('button', { name: 'Undo' })
    await undo.focus()
    await page.keyboard.press('Enter')
    await page.getByText('Sending undone').waitFor()
    assert.equal(await body().inputValue(), 'Here they are.')
    assert.equal(await page.getByLabel('Subject').inputValue(), 'Figures')
    assert.deepEqual(await page.locator('.chip-text').allTextContents(), ['Kim, Minji'])
    assert.equal(await page.locator('.file-chip', { hasText: 'figures.txt' }).count(), 1)
    assert.equal(server.sent().length, 0)
    assert.equal(await status().count(), 0)
    await until(
      () => [server.ids('drafts').length, server.ids('sent').length],
      ([drafts, sent]) => drafts === 1 && sent === before,
      'the copy in Sent is the draft again',
    )
    await body().fill('Here they really are.')
    await page.keyboard.press('Control+Enter')
    await until(
      () => server.sent().map(({ text }) => text),
      (texts) => texts.length === 1 && texts[0] === 'Here they really are.',
      'sent once, as edited',
    )
    await until(
      () => server.ids('drafts').length,
      (count) => count === 0,
      'the draft is gone',
    )
  })

  test('by key, before what was done earlier and after what was done later', async () => {
    await start()
    server.holdSends(60)
    await signIn(page, server)
    await write()
    await page.keyboard.press('Control+Enter')
    await status().waitFor()
    await closed()
    const [first = ''] = server.ids('inbox')
    await row(page, first).click()
    await page.keyboard.press('e')
    await row(page, first).waitFor({ state: 'detached' })
    await page.keyboard.press('z')
    await row(page, first).waitFor()
    assert.equal(server.sent().length, 1)
    await page.keyboard.press('z')
    await page.getByText('Sending undone').waitFor()
    assert.equal(server.sent().length, 0)
  })

  test('too late: a sentence says so, and the message stays sent', async () => {
    await start()
    server.holdSends(60, true)
    await signIn(page, server)
    await write()
    await page.keyboard.press('Control+Enter')
    await status().getByRole('button', { name: 'Undo' }).click()
    await page.getByText('Too late: the message has already been handed over.').waitFor()
    assert.equal(await page.locator('.composer').count(), 0)
    assert.equal(server.sent().length, 1)
  })

  test('the offer ends with the time', async () => {
    await start()
    server.holdSends(3)
    await signIn(page, server)
    await write()
    await page.keyboard.press('Control+Enter')
    await status().waitFor()
    await status().waitFor({ state: 'detached' })
    assert.equal(server.sent().length, 1)
  })
})

describe('quarantine', () => {
  const verdict = {
    action: 'quarantine',
    score: 16,
    malware: false,
    reasons: [{ engine: 'builtin', rule: 'phishing', score: 16, text: 'Asks for account details' }],
  }
  const hold = (id: string, subject: string, malware = false) =>
    server.quarantine.push({
      id,
      subject,
      from: 'bank@elsewhere.test',
      receivedAt: '2026-03-01T09:30:05Z',
      size: 4000,
      verdict: { ...verdict, malware },
    })

  test('says why mail is held; releases and drops it by keyboard, once confirmed; and says when nothing is held', async () => {
    await start()
    hold('q1', 'Held parcel')
    hold('q2', 'Your account')
    hold('q3', 'A worm', true)
    await signIn(page, server)
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByRole('menuitem', { name: 'Quarantine' }).press('Enter')
    await page.waitForURL(/\/settings\/quarantine$/)
    await page.getByText('Asks for account details').first().waitFor()
    assert.equal(await page.getByRole('button', { name: 'Release: A worm' }).count(), 0)
    await page.getByRole('button', { name: 'Release: Held parcel' }).press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByText('Release “Held parcel”?').waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    assert.equal(server.quarantine.length, 3)
    await page.getByRole('button', { name: 'Release: Held parcel' }).press('Enter')
    await dialog.getByRole('button', { name: 'Release', exact: true }).press('Enter')
    await page.getByText('Released', { exact: true }).waitFor()
    for (const subject of ['Your account', 'A worm']) {
      await page.getByRole('button', { name: `Drop: ${subject}` }).press('Enter')
      await dialog.getByRole('button', { name: 'Drop', exact: true }).press('Enter')
      await page.getByRole('button', { name: `Drop: ${subject}` }).waitFor({ state: 'detached' })
    }
    await page.getByText('Nothing is held.').waitFor()
    assert.deepEqual(server.quarantine, [])
    await page.keyboard.press('g')
    await page.keyboard.press('i')
    await page.locator('[role=row]', { hasText: 'Held parcel' }).waitFor()
  })

  test('speaks Korean', async () => {
    await start()
    hold('q1', 'Your account')
    await signIn(page, server)
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.locator('[role^=menuitem]', { hasText: '한국어' }).click()
    await page.goto(`${server.url}/settings/quarantine`)
    await page.getByRole('heading', { name: '격리된 메일' }).waitFor()
    await page.getByText('계정 정보를 요구합니다').waitFor()
    await page.getByRole('button', { name: '풀어 주기: Your account' }).waitFor()
  })
})
