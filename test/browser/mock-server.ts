// The web app's server for browser tests: the real schema, sessions, uploads and body pages over a mailbox in memory.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { extname, join } from 'node:path'
import { buildSchema, GraphQLError, graphql } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import { type MockChange, type MockHeld, MockMailbox, type MockMessage } from './mock-mailbox.ts'

export const ACCOUNT = { address: 'ada@example.test', password: 'correct horse', name: 'Ada Lovelace' }

const root = join(import.meta.dirname, '../..')
const dist = join(root, 'apps/web/dist')
const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}
const APP_CSP =
  "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; connect-src 'self' ws: wss:; frame-src 'self'; base-uri 'none'; form-action 'self'"

export interface MockServer {
  readonly url: string
  readonly mailbox: MockMailbox
  /** The next mutation of this name is refused with this sentence. */
  refuse(field: string, reason: string): void
  /** Cuts every live link and refuses new ones until told otherwise. */
  cutSockets(): void
  allowSockets(): void
  /** Signs everybody out. */
  expireSessions(): void
  close(): Promise<void>
}

export async function startMockServer(): Promise<MockServer> {
  const mailbox = new MockMailbox()
  const schema = buildSchema(readFileSync(join(root, 'gateways/graphql/schema.graphql'), 'utf8'))
  const sessions = new Set<string>()
  const welcomes = new Set(['first-link'])
  const refusals = new Map<string, string>()
  let socketsAllowed = true

  const rootValue = resolvers(mailbox, (field) => {
    const reason = refusals.get(field)
    if (reason === undefined) return
    refusals.delete(field)
    throw new GraphQLError(reason, { extensions: { code: 'REFUSED' } })
  })

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error))
    })
  })

  const signedIn = (request: IncomingMessage) =>
    sessions.has(/everpost=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? '')

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://mock')
    const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    const problem = (status: number, title: string) =>
      json(status, { type: 'about:blank', title, status, detail: title })
    const at = `${request.method} ${url.pathname}`
    if (request.method === 'POST' && request.headers['x-everpost'] !== '1')
      return void problem(403, 'Missing x-everpost')
    const open = () => {
      const id = randomUUID()
      sessions.add(id)
      return { 'set-cookie': `everpost=${id}; HttpOnly; SameSite=Strict; Path=/` }
    }
    if (at === 'POST /session') {
      const { address, password } = JSON.parse((await read(request)).toString())
      if (address !== ACCOUNT.address || password !== ACCOUNT.password)
        return void problem(401, 'Wrong address or password')
      return void json(200, { token: 'token' }, open())
    }
    if (at === 'POST /session/welcome') {
      const { token } = JSON.parse((await read(request)).toString())
      if (!welcomes.delete(token)) return void problem(410, 'Used')
      return void json(200, { mustSetPassword: true, address: ACCOUNT.address }, open())
    }
    if (at === 'GET /session') return void (signedIn(request) ? json(200, ACCOUNT) : problem(401, 'Signed out'))
    if (at === 'DELETE /session') {
      sessions.clear()
      return void response.writeHead(204).end()
    }
    if (url.pathname.startsWith('/body/')) return void body(url, response)
    if (url.pathname === '/proxy.png') {
      imageRequests.push(url.search)
      return void response.writeHead(200, { 'content-type': 'image/png' }).end(PIXEL)
    }
    const needs = ['/graphql', '/attachments', '/account/password', '/raw/', '/file/'].some((path) =>
      url.pathname.startsWith(path),
    )
    if (needs && !signedIn(request)) return void problem(401, 'Signed out')
    if (at === 'POST /account/password') return void response.writeHead(204).end()
    if (at === 'POST /attachments') {
      const id = randomUUID()
      const data = await read(request)
      const type = request.headers['content-type'] ?? ''
      mailbox.uploads.set(id, { filename: decodeURIComponent(String(request.headers['x-filename'])), type, body: data })
      return void json(200, { id, size: data.length, contentType: type })
    }
    if (at === 'POST /graphql') {
      const { query, variables } = JSON.parse((await read(request)).toString())
      return void json(200, await graphql({ schema, source: query, rootValue, variableValues: variables }))
    }
    if (url.pathname.startsWith('/file/'))
      return void response.writeHead(200, { 'content-disposition': 'attachment' }).end('file')
    if (url.pathname.startsWith('/raw/'))
      return void response.writeHead(200, { 'content-type': 'text/plain' }).end('raw')
    statics(url, response)
  }

  const imageRequests: string[] = []
  function body(url: URL, response: ServerResponse): void {
    const message = mailbox.messages.get(url.pathname.slice('/body/'.length))
    const images = url.searchParams.get('images') === '1'
    const page = (message?.page ?? '').replaceAll('data-remote=', images ? 'src=' : 'data-remote=')
    response
      .writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy':
          "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' http: data:; script-src 'nonce-n0nce'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox",
      })
      .end(
        `<!doctype html><meta charset="utf-8"><style>body{font:15px/24px sans-serif;margin:0}</style><body>${page}${BRIDGE}`,
      )
  }

  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    if (!socketsAllowed || !signedIn(request)) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n')
      return
    }
    sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, request))
  })
  useServer({ schema, roots: { subscription: { mailboxChanged: rootValue.mailboxChanged } } }, sockets)

  await new Promise<void>((resolve) => server.listen(Number(process.env['MOCK_PORT'] ?? 0), '127.0.0.1', resolve))
  const address = server.address()
  if (!address || typeof address === 'string') throw new Error('No port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    mailbox,
    refuse: (field, reason) => refusals.set(field, reason),
    cutSockets() {
      socketsAllowed = false
      for (const client of sockets.clients) client.terminate()
    },
    allowSockets() {
      socketsAllowed = true
    },
    expireSessions: () => sessions.clear(),
    async close() {
      for (const client of sockets.clients) client.terminate()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const BRIDGE = `<script nonce="n0nce">(()=>{const say=m=>parent.postMessage({type:'everpost-body',...m},'*');
const tell=()=>say({height:document.documentElement.getBoundingClientRect().height});
new ResizeObserver(tell).observe(document.documentElement);tell();
addEventListener('keydown',e=>say({key:{key:e.key,code:e.code,ctrlKey:e.ctrlKey,metaKey:e.metaKey,altKey:e.altKey,shiftKey:e.shiftKey}}));
addEventListener('mouseover',e=>{const a=e.target.closest&&e.target.closest('a');say({linkHover:a?a.href:null})});})()</script>`

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

function statics(url: URL, response: ServerResponse): void {
  const name = extname(url.pathname) === '' ? '/index.html' : url.pathname
  try {
    const content = readFileSync(join(dist, name))
    response
      .writeHead(200, {
        'content-type': types[extname(name)] ?? 'application/octet-stream',
        'content-security-policy': APP_CSP,
        'cache-control': 'no-store',
      })
      .end(content)
  } catch {
    response.writeHead(404).end()
  }
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

interface Input {
  to?: { name?: string; address: string }[]
  cc?: { name?: string; address: string }[]
  subject: string
  text?: string
  attachmentIds?: string[]
  draftId?: string
  inReplyTo?: string
}

function resolvers(mailbox: MockMailbox, check: (field: string) => void) {
  const folder = (each: MockMailbox['folders'][number]) => ({
    ...each,
    ...mailbox.counts(each.id),
    uidValidity: 1,
    uidNext: 1,
    subscribed: true,
  })
  const folders = () => mailbox.folders.map(folder)
  const node = (message: MockMessage) => ({
    ...message,
    unread: !message.flags.includes('\\seen'),
    flagged: message.flags.includes('\\flagged'),
    html: null,
    bodyUrl: message.page === undefined ? null : `/body/${message.id}?sig=1`,
    rawUrl: `/raw/${message.id}`,
  })
  const people = (list: Input['to']) => (list ?? []).map((each) => ({ name: each.name ?? null, address: each.address }))
  const fromInput = (input: Input, folderId: string, flags: string[]) =>
    mailbox.deliver({
      folderId,
      flags,
      subject: input.subject,
      text: input.text ?? '',
      from: [{ name: ACCOUNT.name, address: ACCOUNT.address }],
      to: people(input.to),
      cc: people(input.cc),
      attachments: (input.attachmentIds ?? []).map((id, index) => {
        const upload = mailbox.uploads.get(id)
        if (!upload) throw new GraphQLError('No such attachment', { extensions: { code: 'NOT_FOUND' } })
        return {
          section: String(index + 2),
          filename: upload.filename,
          type: upload.type,
          size: upload.body.length,
          inline: false,
          contentId: null,
          url: `/file/${id}`,
        }
      }),
    })
  return {
    me: () => ({
      id: 'a1',
      address: ACCOUNT.address,
      name: ACCOUNT.name,
      role: 'USER',
      quotaBytes: 10e9,
      usedBytes: 1.2e9,
      messageCount: mailbox.messages.size,
      revision: mailbox.revision,
    }),
    folders,
    messages({
      folderId,
      filter,
      first,
      offset,
    }: {
      folderId: string
      filter: Record<string, boolean> | null
      first: number
      offset: number | null
    }) {
      check('messages')
      let list = mailbox.list(folderId)
      if (filter?.['unread']) list = list.filter((each) => !each.flags.includes('\\seen'))
      if (filter?.['flagged']) list = list.filter((each) => each.flags.includes('\\flagged'))
      if (filter?.['hasAttachment']) list = list.filter((each) => each.hasAttachment)
      const rows = list.slice(offset ?? 0, (offset ?? 0) + first)
      return {
        totalCount: list.length,
        revision: mailbox.revision,
        edges: rows.map((each) => ({ cursor: each.id, node: node(each) })),
        pageInfo: { hasNextPage: false, hasPreviousPage: false },
      }
    },
    message({ id }: { id: string }) {
      const message = mailbox.messages.get(id)
      return message ? node(message) : null
    },
    thread({ id }: { id: string }) {
      const messages = [...mailbox.messages.values()]
        .filter((each) => each.threadId === id)
        .sort((a, b) => (a.receivedAt < b.receivedAt ? -1 : 1))
      return { id, subject: messages[0]?.subject ?? '', messages: messages.map(node) }
    },
    search({ query, first, after }: { query: string; first: number; after: string | null }) {
      const wanted = query.toLowerCase()
      const found = [...mailbox.messages.values()]
        .filter((each) => `${each.subject}\n${each.text}`.toLowerCase().includes(wanted))
        .sort((a, b) => (a.receivedAt < b.receivedAt ? 1 : -1))
      const start = after ? Number(after) : 0
      const page = found.slice(start, start + first)
      const more = start + first < found.length
      return {
        totalCount: found.length,
        totalIsExact: true,
        warnings: [],
        pageInfo: { hasNextPage: more, hasPreviousPage: false, endCursor: more ? String(start + first) : null },
        edges: page.map((each) => ({
          cursor: each.id,
          score: 1,
          node: node(each),
          subject: fragments(each.subject, wanted),
          snippet: fragments(each.text.slice(0, 160), wanted),
        })),
      }
    },
    history({ messageId }: { messageId: string }) {
      return (mailbox.messages.get(messageId)?.history ?? []).map((entry, index) => ({
        eventId: `${messageId}-${index}`,
        stream: 'mailbox-a1',
        revision: String(index),
        position: String(index + 1000),
        actor: 'ada@example.test',
        via: 'web',
        clientAddress: '203.0.113.4',
        clientName: null,
        correlationId: 'c',
        causationId: 'c',
        ...entry,
      }))
    },
    setFlags({ messageIds, add, remove }: { messageIds: string[]; add: string[] | null; remove: string[] | null }) {
      check('setFlags')
      return { revision: mailbox.setFlags(messageIds, add ?? [], remove ?? []) }
    },
    moveMessages({ messageIds, folderId }: { messageIds: string[]; folderId: string }) {
      check('moveMessages')
      return { revision: mailbox.move(messageIds, folderId) }
    },
    deleteMessages({ messageIds }: { messageIds: string[] }) {
      check('deleteMessages')
      return { revision: mailbox.remove(messageIds) }
    },
    restoreMessages: ({ messageIds }: { messageIds: string[] }) => ({ revision: mailbox.restore(messageIds) }),
    createFolder: ({ name, parentId }: { name: string; parentId: string | null }) => ({
      folder: folder(mailbox.addFolder(name, parentId)),
      revision: mailbox.revision,
    }),
    renameFolder: ({ folderId, name }: { folderId: string; name: string }) => ({
      folder: folder(mailbox.renameFolder(folderId, name)),
      revision: mailbox.revision,
    }),
    deleteFolder: ({ folderId }: { folderId: string }) => ({ revision: mailbox.deleteFolder(folderId) }),
    saveDraft({ input, replaces }: { input: Input; replaces: string | null }) {
      check('saveDraft')
      const message = fromInput(input, 'drafts', ['\\seen', '\\draft'])
      if (replaces) mailbox.expunge(replaces)
      return { messageId: message.id, revision: mailbox.revision }
    },
    sendMessage({ input }: { input: Input }) {
      check('sendMessage')
      const message = fromInput(input, 'sent', ['\\seen'])
      const sent = input as unknown as Record<string, unknown>
      mailbox.sent.push(sent)
      const submissionId = randomUUID()
      mailbox.submissions.set(submissionId, { sent, messageId: message.id })
      if (input.draftId) mailbox.expunge(input.draftId)
      if (input.inReplyTo) mailbox.setFlags([input.inReplyTo], ['\\answered'], [])
      const sendAt = new Date(Date.now() + mailbox.undoSeconds * 1000).toISOString()
      return { messageId: message.id, submissionId, sendAt, revision: mailbox.revision }
    },
    cancelSend({ submissionId }: { submissionId: string }) {
      check('cancelSend')
      const held = mailbox.submissions.get(submissionId)
      if (!held || mailbox.handedOver) return { submissionId, cancelled: false, reason: 'Too late' }
      mailbox.sent.splice(mailbox.sent.indexOf(held.sent), 1)
      mailbox.submissions.delete(submissionId)
      mailbox.move([held.messageId], 'drafts')
      mailbox.setFlags([held.messageId], ['\\draft'], [])
      return { submissionId, cancelled: true, reason: null }
    },
    quarantine: () =>
      mailbox.quarantine.map((each) => ({ ...each, accountId: 'a1', mailFrom: each.from, recipient: ACCOUNT.address })),
    releaseQuarantined({ id }: { id: string }) {
      check('releaseQuarantined')
      return { messageId: mailbox.deliver({ subject: leaveQuarantine(id).subject }).id }
    },
    dropQuarantined: ({ id }: { id: string }) => ({ id: leaveQuarantine(id).id }),
    async *mailboxChanged({ after }: { after?: string | null }) {
      for await (const change of mailbox.follow(after)) yield { mailboxChanged: shown(change) }
    },
  }

  function leaveQuarantine(id: string): MockHeld {
    const at = mailbox.quarantine.findIndex((each) => each.id === id)
    const [held] = at < 0 ? [] : mailbox.quarantine.splice(at, 1)
    if (!held) throw new GraphQLError('This message is not in quarantine.', { extensions: { code: 'not-held' } })
    return held
  }

  function shown(change: MockChange & { last: boolean }) {
    return {
      ...change,
      messages: change.messageIds
        .slice(0, 100)
        .map((id) => mailbox.messages.get(id))
        .filter((message) => message !== undefined)
        .map(node),
      folders: change.last ? folders() : null,
    }
  }
}

function fragments(text: string, wanted: string): { text: string; match: boolean }[] {
  const at = text.toLowerCase().indexOf(wanted)
  if (at < 0) return [{ text, match: false }]
  return [
    { text: text.slice(0, at), match: false },
    { text: text.slice(at, at + wanted.length), match: true },
    { text: text.slice(at + wanted.length), match: false },
  ].filter((each) => each.text !== '')
}
