import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import {
  cursorId,
  newPage,
  row,
  signIn,
  startServer,
  type TestServer,
  tickedIds,
  until,
  useBrowser,
} from './harness.ts'

describe('the message list', () => {
  let server: TestServer
  let page: Page
  const browser = useBrowser(() => ({ page, server }))
  const start = async (count: number, path = '/m/inbox', unread = 12) => {
    server = await startServer(count, unread)
    page = await newPage(browser())
    await signIn(page, server, path)
  }
  const grid = () => page.getByRole('grid')
  const shownIds = () =>
    grid().evaluate((element) => {
      const box = element.getBoundingClientRect()
      return [...element.querySelectorAll('[role=row]')]
        .map((each) => ({ id: each.getAttribute('data-id'), top: each.getBoundingClientRect().top }))
        .filter((each) => each.top >= box.top - 1 && each.top < box.bottom)
        .sort((a, b) => a.top - b.top)
        .map((each) => each.id)
    })
  const firstShown = () =>
    grid().evaluate((element) => {
      const box = element.getBoundingClientRect()
      const all = [...element.querySelectorAll('[role=row][data-id]')]
        .map((each) => ({ id: each.getAttribute('data-id') ?? '', top: each.getBoundingClientRect().top }))
        .filter((each) => each.top >= box.top)
        .sort((a, b) => a.top - b.top)
      return all[0] ?? { id: '', top: 0 }
    })

  test('wrong password says so and keeps the address; the right one opens the inbox', async () => {
    server = await startServer(20)
    page = await newPage(browser())
    await page.goto(`${server.url}/m/inbox`)
    await page.getByLabel('Email address').fill(server.account.address)
    await page.getByLabel('Password', { exact: true }).fill('wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').getByText('do not match').waitFor()
    assert.equal(await page.getByLabel('Email address').inputValue(), server.account.address)
    await page.getByLabel('Password', { exact: true }).fill(server.account.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await row(page, 'thread-last').waitFor()
    assert.equal(new URL(page.url()).pathname, '/m/inbox')
  })

  test('100,000 messages: three depths show the rows that the server has there, with no placeholder left', async () => {
    await start(100_000)
    const ids = server.ids('inbox')
    assert.equal(await grid().getAttribute('aria-rowcount'), String(ids.length))
    for (const depth of [0.25, 0.6, 0.999]) {
      const index = Math.floor(ids.length * depth) - 30
      await grid().evaluate((element, top) => element.scrollTo(0, top), index * 56)
      const wanted = ids.slice(index, index + 10).join()
      await until(shownIds, (shown) => shown.slice(0, 10).join() === wanted, `rows at ${depth}`)
      await until(
        () => grid().locator('.placeholder').count(),
        (count) => count === 0,
        `placeholders at ${depth}`,
      )
    }
  })

  test('j and k through 50: the cursor stays in sight', async () => {
    await start(300)
    const ids = server.ids('inbox')
    for (let step = 0; step < 50; step++) {
      await page.keyboard.press('j')
      assert.equal(await cursorId(page), ids[step])
    }
    const inSight = () =>
      page.locator('[role=row].cursor').evaluate((element) => {
        const box = element.getBoundingClientRect()
        const list = element.closest('[role=grid]')?.getBoundingClientRect()
        return list !== undefined && box.top >= list.top - 1 && box.bottom <= list.bottom + 1
      })
    assert.equal(await inSight(), true)
    for (let step = 0; step < 30; step++) await page.keyboard.press('k')
    assert.equal(await cursorId(page), ids[19])
    assert.equal(await inSight(), true)
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-id')), ids[19])
  })

  test('a shift range grows and shrinks from its anchor', async () => {
    await start(100)
    const ids = server.ids('inbox')
    for (let step = 0; step < 3; step++) await page.keyboard.press('j')
    for (let step = 0; step < 3; step++) await page.keyboard.press('Shift+ArrowDown')
    assert.deepEqual(await tickedIds(page), ids.slice(2, 6))
    for (let step = 0; step < 2; step++) await page.keyboard.press('Shift+ArrowUp')
    assert.deepEqual(await tickedIds(page), ids.slice(2, 4))
    for (let step = 0; step < 3; step++) await page.keyboard.press('Shift+ArrowUp')
    assert.deepEqual((await tickedIds(page)).sort(), ids.slice(0, 3).sort())
  })

  test('the unread filter shows only unread, keeps what was read while open, and is in the address', async () => {
    await start(300, '/m/inbox', 5)
    await page.getByRole('button', { name: 'Unread', exact: true }).click()
    await until(
      () => grid().getAttribute('aria-rowcount'),
      (count) => count === '10',
      'rows',
    )
    assert.equal(new URL(page.url()).search, '?f=unread')
    await page.keyboard.press('j')
    const id = await cursorId(page)
    assert.ok(id)
    await page.keyboard.press('Shift+I')
    await until(
      () => server.message(id)?.flags.includes('\\seen'),
      (seen) => seen === true,
      'read on the server',
    )
    await row(page, id).and(page.locator(':not(.unread)')).waitFor()
    await page.reload()
    await until(
      () => grid().getAttribute('aria-rowcount'),
      (count) => count === '9',
      'rows after a reload',
    )
    await page.goBack()
    await until(
      () => grid().getAttribute('aria-rowcount'),
      (count) => count === String(server.ids('inbox').length),
      'all rows',
    )
  })

  test('new mail at the top slides in and counts', async () => {
    await start(50)
    const id = server.deliver('Fresh off the wire')
    await row(page, id).waitFor()
    assert.equal((await shownIds())[0], id)
    await page.getByRole('link', { name: 'Inbox, 18 unread' }).waitFor()
  })

  test('new mail while scrolled leaves every row where it is and shows the pill', async () => {
    await start(2000)
    await grid().evaluate((element) => element.scrollTo(0, 56 * 500 + 20))
    await until(firstShown, ({ id }) => server.ids('inbox').indexOf(id) > 480, 'rows far down')
    const before = await firstShown()
    for (let index = 0; index < 3; index++) server.deliver(`Arrival ${index}`)
    await page.getByRole('button', { name: 'Go to the top: 3 new messages' }).waitFor()
    assert.deepEqual(await firstShown(), before)
    await page.getByRole('button', { name: 'Go to the top: 3 new messages' }).click()
    await until(shownIds, (ids) => ids[0] === server.ids('inbox')[0], 'the top')
    assert.deepEqual((await shownIds()).slice(0, 5), server.ids('inbox').slice(0, 5))
  })

  test('archive moves the cursor down, five times over, and undo brings the last one back', async () => {
    await start(100)
    const ids = server.ids('inbox')
    await page.keyboard.press('j')
    for (let step = 0; step < 5; step++) {
      assert.equal(await cursorId(page), ids[step])
      await page.keyboard.press('e')
      await until(
        () => cursorId(page),
        (id) => id === ids[step + 1],
        'the next row',
      )
    }
    await until(
      () => server.ids('archive').length,
      (count) => count === 5,
      'archived',
    )
    assert.deepEqual(server.ids('archive').sort(), ids.slice(0, 5).sort())
    assert.deepEqual((await shownIds()).slice(0, 3), ids.slice(5, 8))
    await page.keyboard.press('z')
    await row(page, ids[4] ?? '').waitFor()
    await until(
      () => server.message(ids[4] ?? '')?.folderId,
      (folder) => folder === 'inbox',
      'back on the server',
    )
    assert.deepEqual((await shownIds()).slice(0, 3), ids.slice(4, 7))
  })

  test('a refused command rolls back, says why, and leaves another one alone', async () => {
    await start(100)
    const ids = server.ids('inbox')
    await page.keyboard.press('j')
    await page.keyboard.press('s')
    await until(
      () => server.message(ids[0] ?? '')?.flags.includes('\\flagged'),
      (starred) => starred === true,
      'starred',
    )
    server.refuse('moveMessages', 'The archive is on hold')
    await page.keyboard.press('e')
    await page.getByText('Not done: The archive is on hold').waitFor()
    await row(page, ids[0] ?? '').waitFor()
    assert.deepEqual((await shownIds()).slice(0, 3), ids.slice(0, 3))
    assert.equal(
      await row(page, ids[0] ?? '')
        .locator('.row-meta .star-on')
        .count(),
      1,
    )
    assert.equal(server.message(ids[0] ?? '')?.folderId, 'inbox')
  })

  test('200 changes while the link is cut: after it is back, nothing is missing or double', async () => {
    await start(100)
    server.cutSockets()
    await page.getByText('Offline').waitFor()
    for (let index = 0; index < 190; index++) server.deliver(`Missed ${index}`)
    server.allowSockets()
    await until(
      () => grid().getAttribute('aria-rowcount'),
      (count) => count === String(server.ids('inbox').length),
      'rows',
    )
    const id = server.deliver('After the cut')
    await row(page, id).waitFor()
    await until(
      () => grid().locator('.placeholder').count(),
      (count) => count === 0,
      'placeholders',
    )
    const shown = await shownIds()
    assert.deepEqual(shown, server.ids('inbox').slice(0, shown.length))
  })

  test('shortcuts work while the keyboard writes Hangul', async () => {
    await start(60)
    const ids = server.ids('inbox')
    const hangul = (key: string, code: string) =>
      page.evaluate(
        ([key, code]) =>
          (document.activeElement ?? document.body).dispatchEvent(
            new KeyboardEvent('keydown', { key: key ?? '', code: code ?? '', bubbles: true, cancelable: true }),
          ),
        [key, code],
      )
    await hangul('ㅓ', 'KeyJ')
    await hangul('ㅓ', 'KeyJ')
    await until(
      () => cursorId(page),
      (id) => id === ids[1],
      'the cursor',
    )
    await hangul('ㄷ', 'KeyE')
    await until(
      () => server.message(ids[1] ?? '')?.folderId,
      (folder) => folder === 'archive',
      'archived',
    )
    await hangul('ㅎ', 'KeyG')
    await hangul('ㅅ', 'KeyT')
    await until(
      () => new URL(page.url()).pathname,
      (path) => path === '/m/sent',
      'the Sent folder',
    )
  })

  test('dragging is not needed: v moves to a folder by name', async () => {
    await start(60)
    const ids = server.ids('inbox')
    await page.keyboard.press('j')
    await page.keyboard.press('v')
    await page.getByRole('combobox', { name: 'Find a folder' }).fill('영수')
    await page.keyboard.press('Enter')
    await until(
      () => server.message(ids[0] ?? '')?.folderId,
      (folder) => folder === 'f-receipts',
      'moved',
    )
    await page.getByText('Moved to 영수증').waitFor()
    assert.equal(await row(page, ids[0] ?? '').count(), 0)
  })
})
