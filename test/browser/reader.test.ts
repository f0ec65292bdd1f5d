import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { newPage, row, signIn, startServer, type TestServer, until, useBrowser } from './harness.ts'

describe('reading, writing and searching', () => {
  let server: TestServer
  let page: Page
  const browser = useBrowser(() => ({ page, server }))
  const start = async (path = '/m/inbox', options: BrowserContextOptions = {}) => {
    server = await startServer(60)
    page = await newPage(browser(), options)
    await signIn(page, server)
    if (path !== '/m/inbox') await page.goto(server.url + path)
  }

  test('a message in sight for two seconds is read, here and on the server', async () => {
    await start()
    await row(page, 'files').click()
    await page.locator('.plain-text', { hasText: '금요일까지 검토' }).waitFor()
    assert.equal(server.message('files')?.flags.includes('\\seen'), false)
    await until(
      () => server.message('files')?.flags.includes('\\seen'),
      (seen) => seen === true,
      'read on the server',
    )
    await page.locator('[data-id="files"]:not(.unread)').waitFor()
    await page.getByRole('link', { name: 'Inbox, 16 unread' }).waitFor()
  })

  test('a message that the filter put into Junk says why, when asked by key or button, in the reader’s language', async () => {
    await start()
    const message = server.message('files')
    assert.ok(message)
    message.verdict = {
      action: 'junk',
      score: 7.2,
      reasons: [
        { engine: 'builtin', rule: 'sale', score: 0.6, text: 'Presses to buy' },
        { engine: 'builtin', rule: 'answers', score: -0.6, text: 'It answers an earlier message' },
      ],
    }
    await row(page, 'files').click()
    const why = page.getByRole('button', { name: 'Why is this in Junk?' })
    await why.waitFor()
    assert.equal(await page.getByText('Presses to buy').count(), 0)
    await page.keyboard.press('w')
    await page.getByText('Presses to buy').waitFor()
    assert.equal(await why.getAttribute('aria-expanded'), 'true')
    assert.equal(await page.getByText('It answers an earlier message').count(), 0, 'only what speaks against it')
    await why.click()
    await page.getByText('Presses to buy').waitFor({ state: 'detached' })
  })

  test('a conversation opens at its newest message, folds the older ones, and back returns to the list', async () => {
    await start()
    await row(page, 'thread-last').click()
    await page.getByRole('button', { name: '4 older messages' }).click()
    assert.equal(await page.locator('.card.folded').count(), 6)
    await page.getByRole('button', { name: 'Show quoted text' }).click()
    await page.getByText('> The board meets on Friday.').waitFor()
    assert.equal(
      await page.getByRole('link', { name: 'https://northlight.example/figures' }).getAttribute('rel'),
      'noreferrer noopener',
    )
    assert.equal(new URL(page.url()).pathname, '/m/inbox/thread-last')
    await page.reload()
    await page.getByRole('heading', { name: 'Re: Roadmap for spring' }).waitFor()
    await page.goBack()
    await page.getByRole('heading', { name: 'Select a conversation' }).waitFor()
  })

  test('hostile HTML runs no script, reaches nothing, and goes nowhere', async () => {
    await start()
    await page.evaluate(() => {
      addEventListener('message', (event) => {
        if (event.data?.type === 'ran') document.documentElement.dataset['ran'] = String(event.data.by)
      })
    })
    await row(page, 'hostile').click()
    const frame = page.frameLocator('.body-frame iframe')
    await frame.locator('#ok').waitFor()
    await until(
      () => page.locator('.body-frame:not(.waiting)').count(),
      (count) => count === 1,
      'the height',
    )
    assert.equal(
      await page.locator('.body-frame iframe').getAttribute('sandbox'),
      'allow-scripts allow-popups allow-popups-to-escape-sandbox',
    )
    await frame.locator('#js').click({ noWaitAfter: true })
    await frame.locator('#post').click({ noWaitAfter: true })
    const inside = page.frames().find((each) => each.url().includes('/body/hostile'))
    assert.ok(inside, 'the frame is still at its own page')
    const reach = await inside.evaluate(() => {
      const attempt = (run: () => unknown) => {
        try {
          return String(run())
        } catch (error) {
          return error instanceof Error ? error.name : 'error'
        }
      }
      return [
        attempt(() => parent.document.title),
        attempt(() => document.cookie),
        attempt(() => localStorage.length),
        attempt(() => origin),
      ]
    })
    assert.deepEqual(reach, ['SecurityError', 'SecurityError', 'SecurityError', 'null'])
    assert.equal(await page.evaluate(() => document.documentElement.dataset['ran']), undefined)
    assert.equal(new URL(page.url()).pathname, '/m/inbox/hostile')
  })

  test('a frame that lies about its height is clamped; words of other windows do not count', async () => {
    await start()
    await row(page, 'html').click()
    await until(
      () => page.locator('.body-frame:not(.waiting)').count(),
      (count) => count === 1,
      'the height',
    )
    const height = () => page.locator('.body-frame iframe').evaluate((frame) => frame.getBoundingClientRect().height)
    const before = await height()
    await page.evaluate(() => postMessage({ type: 'everpost-body', height: 5000 }, '*'))
    const inside = page.frames().find((each) => each.url().includes('/body/html'))
    await inside?.evaluate(() => parent.postMessage({ type: 'everpost-body', height: 1e9 }, '*'))
    assert.equal(await until(height, (now) => now !== before, 'the new height'), 60_000)
  })

  test('remote images are asked for only after “Show once”', async () => {
    await start()
    const asked: string[] = []
    page.on('request', (request) => {
      if (request.url().includes('proxy.png')) asked.push(request.url())
    })
    await row(page, 'images').click()
    await page.getByText('3 remote images blocked').waitFor()
    await page.frameLocator('.body-frame iframe').getByText('Total: €42.00').waitFor()
    assert.deepEqual(asked, [])
    await page.getByRole('button', { name: 'Show once' }).click()
    await until(
      () => asked.length,
      (count) => count === 1,
      'the image',
    )
    assert.equal(await page.getByText('remote images blocked').count(), 0)
  })

  test('a new message with an attachment goes out whole', async () => {
    await start()
    await page.keyboard.press('c')
    const to = page.getByLabel('To', { exact: true })
    await to.fill('"Kim, Minji" <minji@example.kr>; tomas@northlight.example')
    await to.press('Enter')
    assert.deepEqual(await page.locator('.chip-text').allTextContents(), ['Kim, Minji', 'tomas@northlight.example'])
    await page.getByLabel('Subject').fill('회의록')
    await page.getByRole('textbox', { name: 'Message' }).fill('첨부 파일을 확인해 주세요.')
    await page.keyboard.press('Control+Enter')
    await page.getByText('no file is attached').waitFor()
    await page.getByRole('button', { name: 'Keep editing' }).click()
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: '회의록.txt', mimeType: 'text/plain', buffer: Buffer.from('안건 1') })
    await page.locator('.file-chip.done').waitFor()
    await until(
      () => server.ids('drafts').length,
      (count) => count === 1,
      'one draft on the server',
    )
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByText('Sent', { exact: true }).last().waitFor()
    await until(
      () => page.locator('.composer').count(),
      (count) => count === 0,
      'closed',
    )
    assert.deepEqual(server.uploads(), [{ filename: '회의록.txt', size: 8 }])
    const [sent] = server.sent()
    assert.deepEqual(sent?.['to'], [
      { name: 'Kim, Minji', address: 'minji@example.kr' },
      { address: 'tomas@northlight.example' },
    ])
    assert.equal((sent?.['attachmentIds'] as string[] | undefined)?.length, 1)
    await until(
      () => server.ids('drafts').length,
      (count) => count === 0,
      'the draft is gone',
    )
    assert.equal(server.sent().length, 1)
  })

  test('a refused send keeps the text; the second try sends it once', async () => {
    await start()
    await page.keyboard.press('c')
    await page.getByLabel('To', { exact: true }).fill('tomas@northlight.example')
    await page.getByLabel('Subject').fill('Figures')
    await page.getByRole('textbox', { name: 'Message' }).fill('Here they are.')
    server.refuse('sendMessage', 'Your quota is used up')
    await page.keyboard.press('Control+Enter')
    await page.getByRole('alert').getByText('Not sent: Your quota is used up').waitFor()
    assert.equal(await page.getByRole('textbox', { name: 'Message' }).inputValue(), 'Here they are.')
    await page.keyboard.press('Control+Enter')
    await until(
      () => server.sent().length,
      (count) => count === 1,
      'sent',
    )
  })

  test('reply all leaves oneself out, quotes, and marks the message answered', async () => {
    await start()
    await row(page, 'thread-last').click()
    await page.getByRole('heading', { name: 'Re: Roadmap for spring' }).waitFor()
    await page.keyboard.press('a')
    const body = page.getByRole('textbox', { name: 'Message' })
    await body.waitFor()
    assert.deepEqual(await page.locator('.chip-text').allTextContents(), ['Tomás Rivera', '김민지', 'Priya Raman'])
    assert.match(await body.inputValue(), /wrote:\n> Hi Ada,/)
    await page.keyboard.type('Yes to both.')
    await page.keyboard.press('Control+Enter')
    await until(
      () => server.sent().length,
      (count) => count === 1,
      'sent',
    )
    assert.equal(server.sent()[0]?.['inReplyTo'], 'thread-last')
    assert.match(String(server.sent()[0]?.['text']), /^Yes to both\./)
    await until(
      () => server.message('thread-last')?.flags.includes('\\answered'),
      (is) => is === true,
      'answered',
    )
  })

  test('what was typed is back after the tab is closed in the middle of it', async () => {
    await start()
    await page.keyboard.press('c')
    await page.getByRole('textbox', { name: 'Message' }).fill('Half a thought')
    await page.reload()
    await until(
      () => page.getByRole('textbox', { name: 'Message' }).inputValue(),
      (text) => text === 'Half a thought',
      'the text',
    )
  })

  test('signed out while writing: the text stays, and sending goes on after signing in again', async () => {
    await start()
    await page.keyboard.press('c')
    await page.getByLabel('To', { exact: true }).fill('tomas@northlight.example')
    await page.getByLabel('Subject').fill('Still here')
    await page.getByRole('textbox', { name: 'Message' }).fill('Not lost.')
    server.expireSessions()
    await page.keyboard.press('Control+Enter')
    const dialog = page.getByRole('dialog', { name: 'You have been signed out' })
    await dialog.getByLabel('Password', { exact: true }).fill(server.account.password)
    await dialog.getByRole('button', { name: 'Sign in' }).click()
    await until(
      () => dialog.count(),
      (count) => count === 0,
      'the dialog',
    )
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await until(
      () => server.sent().length,
      (count) => count === 1,
      'sent',
    )
  })

  test('search finds Korean inside words, marks it, and its address can be shared', async () => {
    await start()
    await page.keyboard.press('/')
    await page.keyboard.type('회의록')
    await page.keyboard.press('Enter')
    await page.locator('mark').first().waitFor()
    assert.equal(new URL(page.url()).searchParams.get('q'), '회의록')
    assert.equal(await page.locator('mark').first().textContent(), '회의록')
    await row(page, 'files').waitFor()
    await page.reload()
    await row(page, 'files').click()
    await page.getByRole('heading', { name: '회의록과 예산안 첨부드립니다' }).waitFor()
    await page.goBack()
    await page.goBack()
    await row(page, 'thread-last').waitFor()
  })

  test('a search for nothing says so', async () => {
    await start('/search?q=zzzzqq')
    await page.getByText('Nothing matches “zzzzqq”').waitFor()
  })

  test('320 px wide: one column, nothing to scroll sideways, mail can be read and answered', async () => {
    await start('/m/inbox', { viewport: { width: 320, height: 640 } })
    const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    assert.equal(await overflow(), 0)
    await row(page, 'files').click()
    await page.locator('.plain-text', { hasText: '금요일까지 검토' }).waitFor()
    assert.equal(await overflow(), 0)
    await page.getByRole('button', { name: 'Reply', exact: true }).last().click()
    await page.getByRole('textbox', { name: 'Message' }).waitFor()
    assert.equal(await overflow(), 0)
    await page.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: 'Back to the list' }).click()
    await row(page, 'thread-last').waitFor()
  })

  test('the one-time link signs in and asks for a password', async () => {
    server = await startServer(20)
    page = await newPage(browser())
    await page.goto(`${server.url}/welcome?token=first-link`)
    await page.getByLabel('New password').fill('short')
    await page.getByLabel('Repeat the password').fill('short')
    await page.getByRole('button', { name: 'Save and open my mail' }).click()
    await page.getByText('Use at least 10 characters.').waitFor()
    await page.getByLabel('New password').fill('a long enough one')
    await page.getByLabel('Repeat the password').fill('a long enough one')
    await page.getByRole('button', { name: 'Save and open my mail' }).click()
    await row(page, 'thread-last').waitFor()
  })

  test('a folder is made, renamed and deleted', async () => {
    await start()
    await page.getByRole('button', { name: 'New folder' }).click()
    await page.getByLabel('Folder name').fill('Travel')
    await page.keyboard.press('Enter')
    const link = page.getByRole('link', { name: 'Travel' })
    await link.waitFor()
    await page.getByRole('button', { name: 'Actions for Travel' }).click()
    await page.getByRole('menuitem', { name: 'Rename' }).click()
    await page.getByLabel('Folder name').fill('Journeys')
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'Journeys' }).waitFor()
    await page.getByRole('button', { name: 'Actions for Journeys' }).click()
    await page.getByRole('menuitem', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Delete', exact: true }).click()
    await until(
      () => page.getByRole('link', { name: 'Journeys' }).count(),
      (count) => count === 0,
      'gone',
    )
  })
})
