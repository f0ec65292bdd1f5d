// GET /folders, /folders/{id}/message, /message/{id} with its raw bytes, files and history, and the signed /body and /part.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AccountId } from '../../domain/log.ts'
import { isoTime } from '../graphql/builder.ts'
import { checkPage, readFilter } from '../graphql/types/connection.ts'
import { attachmentUrl } from '../graphql/types/message.ts'
import { requireSession } from '../session/request-session.ts'
import { bodyPage } from '../web/body-page.ts'
import { badField, parseInstant } from '../web/fields.ts'
import { messageHistory } from '../web/history.ts'
import { isShowable } from '../web/media-types.ts'
import { MessageContents } from '../web/message-contents.ts'
import { originOf } from '../web/origin.ts'
import { notFound, ProblemError } from '../web/problem.ts'
import { SANITISER_VERSION } from '../web/sanitise-html.ts'
import type { WebServices } from '../web/services.ts'
import { sendFile } from './ranges.ts'
import { addresses, folderItem, messageItem } from './representations.ts'

const PRIVATE = 'private, max-age=3600'

export function readingRoutes(app: FastifyInstance, services: WebServices): void {
  const { deps, sessions, bodies, files, links } = services
  const { mailbox } = deps.views

  /** Content of a message of the account: another account's is none. */
  const find = async (account: AccountId, id: string) => {
    const row = id.length > 64 ? undefined : await mailbox.message(account, id)
    const content = row && (await new MessageContents(deps.source, account).at(row.position))
    if (!row || !content) throw notFound('message')
    return { row, content }
  }

  app.get('/folders', async (request, reply) => {
    const { account } = await requireSession(sessions, request)
    await services.atLeast(account.id, readRevision(query(request, 'atLeast')))
    return reply.send((await mailbox.folders(account.id)).map(folderItem))
  })

  app.get('/folders/:id/message', async (request, reply) => {
    const { account } = await requireSession(sessions, request)
    const id = param(request, 'id')
    const options = checkPage({ first: readCount(query(request, 'first')), after: query(request, 'after') })
    const filter = readFilter({
      unread: readFlag(request, 'unread'),
      flagged: readFlag(request, 'flagged'),
      hasAttachment: readFlag(request, 'hasAttachment'),
      from: query(request, 'from'),
      since: readTime(request, 'since'),
      before: readTime(request, 'before'),
    })
    await services.atLeast(account.id, readRevision(query(request, 'atLeast')))
    if (id.length > 64 || !(await mailbox.folder(account.id, id))) throw notFound('folder')
    const page = await mailbox.messages(account.id, id, { filter, ...options })
    return reply.send({
      items: page.rows.map(messageItem),
      next: page.next,
      revision: page.revision === undefined ? null : String(page.revision),
    })
  })

  app.get('/message/:id', async (request, reply) => {
    const { account } = await requireSession(sessions, request)
    await services.atLeast(account.id, readRevision(query(request, 'atLeast')))
    const { row, content } = await find(account.id, param(request, 'id'))
    const { envelope } = content
    const remoteImages = query(request, 'images') === '1'
    const [text, safe, root, attachments] = await Promise.all([
      bodies.text(account.id, content),
      bodies.html(account.id, row.id, content, remoteImages),
      bodies.root(content),
      bodies.attachments(content),
    ])
    return reply.send({
      ...messageItem(row),
      expunged: row.expunged,
      envelope: {
        date: envelope.date === undefined ? null : isoTime(envelope.date),
        subject: envelope.subject,
        from: addresses(envelope.from),
        sender: addresses(envelope.sender),
        replyTo: addresses(envelope.replyTo),
        to: addresses(envelope.to),
        cc: addresses(envelope.cc),
        bcc: addresses(envelope.bcc),
        messageId: envelope.messageId ?? null,
        inReplyTo: envelope.inReplyTo,
        references: envelope.references,
      },
      structure: root,
      text,
      html: safe?.html ?? null,
      remoteImageCount: safe?.remoteImages ?? 0,
      bodyUrl: safe
        ? `/body/${links.sign({ account: account.id, messageId: row.id, section: '' })}?v=${SANITISER_VERSION}`
        : null,
      attachments: attachments.map((each) => ({ ...each, url: attachmentUrl(row.id, each.section) })),
      verdict: content.verdict ?? null,
      links: { raw: `/message/${row.id}/raw`, history: `/message/${row.id}/history`, thread: row.threadId },
    })
  })

  app.get('/message/:id/history', async (request, reply) => {
    const { account } = await requireSession(sessions, request)
    const entries = await messageHistory(deps, account, param(request, 'id').slice(0, 64))
    if (entries.length === 0) throw notFound('message')
    return reply.send(entries.map((entry) => ({ ...entry, revision: String(entry.revision), at: isoTime(entry.at) })))
  })

  app.get('/message/:id/raw', async (request, reply) => {
    const { account } = await requireSession(sessions, request)
    const { content } = await find(account.id, param(request, 'id'))
    return sendFile(request, reply, files.raw(content), { cacheControl: PRIVATE })
  })

  app.get('/message/:id/attachments/:part', async (request, reply) => {
    const { account } = await requireSession(sessions, request)
    const { content } = await find(account.id, param(request, 'id'))
    const file = await files.at(content, param(request, 'part'))
    if (!file) throw notFound('attachment')
    return sendFile(request, reply, file, { cacheControl: PRIVATE })
  })

  /** What a signed link names; its account may have gone since. */
  const byLink = async (token: string) => {
    const link = links.verify(token)
    const account = link && (await deps.views.directory.account(link.account))
    if (!link || !account || account.erased)
      throw new ProblemError(404, 'link-over', 'This link is over: open the message again.')
    return { ...link, ...(await find(link.account, link.messageId)) }
  }

  app.get('/body/:token', async (request, reply) => {
    const { account, section, row, content } = await byLink(param(request, 'token'))
    const remoteImages = query(request, 'images') === '1'
    const safe = section === '' ? await bodies.html(account, row.id, content, remoteImages) : undefined
    if (!safe) throw notFound('body')
    const page = bodyPage(safe.html, originOf(request, deps.config.publicUrl), remoteImages)
    return reply.headers(page.headers).send(page.html)
  })

  app.get('/part/:token', async (request, reply) => {
    const { section, content } = await byLink(param(request, 'token'))
    const file = section === '' ? undefined : await files.at(content, section)
    if (!file || !isShowable(file.type)) throw notFound('picture')
    // The frame that shows it has an opaque origin.
    void reply.header('cross-origin-resource-policy', 'cross-origin')
    return sendFile(request, reply, file, { cacheControl: PRIVATE, inlineType: file.type.toLowerCase() })
  })
}

export function param(request: FastifyRequest, name: string): string {
  return String((request.params as Record<string, unknown>)[name] ?? '')
}

export function query(request: FastifyRequest, name: string): string | undefined {
  const value = (request.query as Record<string, unknown>)[name]
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw new ProblemError(400, 'bad-field', `${name} was given twice.`, { field: name })
  return value
}

function readFlag(request: FastifyRequest, name: string): boolean | undefined {
  const value = query(request, name)
  if (value === undefined) return undefined
  if (value !== 'true' && value !== 'false')
    throw new ProblemError(400, 'bad-field', `${name} is true or false.`, { field: name })
  return value === 'true'
}

function readTime(request: FastifyRequest, name: string): number | undefined {
  const value = query(request, name)
  if (value === undefined) return undefined
  const time = parseInstant(value)
  if (time === undefined) throw badField(name, `${name} must be an instant such as 2026-03-01T09:00:00Z.`)
  return time
}

function readCount(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (!/^\d{1,6}$/.test(value)) throw new ProblemError(400, 'bad-field', 'first takes 1 to 500.', { field: 'first' })
  return Number(value)
}

function readRevision(value: string | undefined): bigint | undefined {
  if (value === undefined) return undefined
  if (!/^\d{1,18}$/.test(value))
    throw new ProblemError(400, 'bad-field', 'atLeast is a revision such as 1203.', { field: 'atLeast' })
  return BigInt(value)
}
