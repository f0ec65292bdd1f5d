// What every browser test starts from: a server with mail in it, and a real Chromium. Tests know the server only by this
// interface, so that the real gateway can stand in for the mock.
import assert from 'node:assert/strict'
import { after, afterEach, before } from 'node:test'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { MockHeld, MockMessage } from './mock-mailbox.ts'
import { ACCOUNT, startMockServer } from './mock-server.ts'
import { conversations, fillInbox } from './seed.ts'

export interface ServerMessage {
  readonly folderId: string
  readonly flags: readonly string[]
  verdict?: NonNullable<MockMessage['verdict']>
}

export interface TestServer {
  readonly url: string
  readonly account: { readonly address: string; readonly password: string }
  /** Ids of a standing folder's messages as the server lists them, newest first. */
  ids(folder: string): string[]
  message(id: string): ServerMessage | undefined
  /** A new message, as a sender would bring it; answers its id. */
  deliver(subject: string, part?: Partial<MockMessage>): string
  sent(): readonly Record<string, unknown>[]
  /** Sent messages can be taken back for so long; with `handedOver` the server says that it is too late. */
  holdSends(seconds: number, handedOver?: boolean): void
  /** Mail that the filter holds. */
  readonly quarantine: MockHeld[]
  uploads(): readonly { filename: string; size: number }[]
  refuse(field: string, reason: string): void
  cutSockets(): void
  allowSockets(): void
  expireSessions(): void
  close(): Promise<void>
}

/** A server whose inbox has the sample conversations on top of `count` messages; `unread` of those are unread. */
export async function startServer(count: number, unread = 12): Promise<TestServer> {
  const mock = await startMockServer()
  fillInbox(mock.mailbox, count, unread)
  conversations(mock.mailbox)
  return {
    url: mock.url,
    account: ACCOUNT,
    ids: (folder) => mock.mailbox.list(folder).map((message) => message.id),
    message: (id) => mock.mailbox.messages.get(id),
    deliver: (subject, part = {}) => mock.mailbox.deliver({ subject, ...part }).id,
    sent: () => mock.mailbox.sent,
    holdSends(seconds, handedOver = false) {
      mock.mailbox.undoSeconds = seconds
      mock.mailbox.handedOver = handedOver
    },
    quarantine: mock.mailbox.quarantine,
    uploads: () => [...mock.mailbox.uploads.values()].map(({ filename, body }) => ({ filename, size: body.length })),
    refuse: mock.refuse,
    cutSockets: mock.cutSockets,
    allowSockets: mock.allowSockets,
    expireSessions: mock.expireSessions,
    close: mock.close,
  }
}

export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  })

/** Errors that a page reported: a test that ends with any has failed. */
export const complaints: string[] = []

/**
 * One browser for all tests of a file. After each of them the page and the server that it used are closed, and nothing may have been
 * reported.
 */
export function useBrowser(used: () => { readonly page: Page; readonly server: TestServer }): () => Browser {
  let browser: Browser
  before(async () => {
    browser = await launch()
  })
  after(() => browser.close())
  afterEach(async () => {
    const { page, server } = used()
    await page.context().close()
    await server.close()
    assert.deepEqual(complaints.splice(0), [])
  })
  return () => browser
}

export async function newPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    reducedMotion: 'reduce',
    ...options,
  })
  context.setDefaultTimeout(10_000)
  const page = await context.newPage()
  page.on('pageerror', (error) => complaints.push(error.stack ?? error.message))
  page.on('console', (message) => {
    // What the sandbox of a hostile message refuses, and answers that say no, are reported by the browser as errors.
    const expected = /Failed to load resource|sandbox|Content Security Policy|WebSocket connection|javascript:|ERR_/i
    if (message.type() === 'error' && !expected.test(message.text())) complaints.push(message.text())
  })
  return page
}

export async function signIn(page: Page, server: TestServer, path = '/m/inbox'): Promise<void> {
  await page.goto(server.url + path)
  await page.getByLabel('Email address').fill(server.account.address)
  await page.getByLabel('Password', { exact: true }).fill(server.account.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('[role=row]:not(.placeholder)').first().waitFor()
}

export const row = (page: Page, id: string) => page.locator(`[role=row][data-id="${id}"]`)
export const cursorId = (page: Page) => page.locator('[role=row].cursor').getAttribute('data-id')
export const tickedIds = (page: Page) =>
  page.locator('[role=row].ticked').evaluateAll((rows) => rows.map((each) => each.getAttribute('data-id')))

/** Waits until `check` answers true; the last value is in the message when it never does. */
export async function until<T>(read: () => T | Promise<T>, check: (value: T) => boolean, what: string): Promise<T> {
  const end = Date.now() + 10_000
  for (;;) {
    const value = await read()
    if (check(value)) return value
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(value)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
