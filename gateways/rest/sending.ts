// POST /message and POST /attachments. Uploads go to the blob store as they come, never whole in memory.
import type { MultipartFile } from '@fastify/multipart'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { MessageBlobWriter } from '../../commands/ports/blob-store.ts'
import { parseAddressList } from '../../domain/mail/address.ts'
import { cleanFilename } from '../../domain/mail/attachments.ts'
import type { ComposeAddress, ComposeAttachment } from '../../domain/mail/compose.ts'
import { checkCommandId } from '../graphql/mutations/send.ts'
import { clientOf, requireSession } from '../session/request-session.ts'
import { MAX_UPLOAD } from '../web/dependencies.ts'
import { badField, bodyFields, Fields } from '../web/fields.ts'
import { MAX_ATTACHMENTS, MAX_RAW, type OutgoingMessage } from '../web/outgoing.ts'
import { ProblemError } from '../web/problem.ts'
import type { WebServices } from '../web/services.ts'
import { BadJson, strictJson } from '../web/strict-json.ts'
import { query } from './reading.ts'

/** JSON with attachments in base64. */
const MAX_JSON = 36 * 1024 * 1024
const MAX_TEXT = 10 * 1024 * 1024
const MAX_FIELDS = 200
const MAX_RECIPIENTS = 500

export function sendingRoutes(app: FastifyInstance, services: WebServices): void {
  const { sessions } = services

  void app.register(async (scope) => {
    scope.addContentTypeParser('message/rfc822', { parseAs: 'buffer', bodyLimit: MAX_RAW }, (_request, body, done) =>
      done(null, body),
    )
    scope.post('/message', { bodyLimit: MAX_JSON, onRequest: signedInFirst(services) }, async (request, reply) => {
      const who = await requireSession(sessions, request)
      const commandId = checkCommandId(headerOf(request, 'idempotency-key'))
      const context = services.context(who, 'rest', clientOf(request), commandId)
      const sent = Buffer.isBuffer(request.body)
        ? await services.outgoing.sendRaw(who.account, context, request.body)
        : await services.outgoing.send(
            who.account,
            context,
            request.isMultipart() ? await readForm(request) : readMessage(bodyFields(request)),
          )
      const { messageId, submissionId, revision } = sent
      return reply
        .status(202)
        .header('location', `/message/${messageId}`)
        .send({ messageId, submissionId, revision: String(revision) })
    })
  })

  void app.register(async (scope) => {
    // Anything but a form is the file itself: the stream stays unread until the handler takes it.
    scope.removeContentTypeParser('application/json')
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    scope.post('/attachments', { onRequest: signedInFirst(services), bodyLimit: 1e12 }, async (request, reply) => {
      const who = await requireSession(sessions, request)
      const limit = services.deps.config.maxUploadBytes ?? MAX_UPLOAD
      const announced = Number(request.headers['content-length'] ?? 0)
      if (announced > limit + 64 * 1024) throw tooLarge(limit)
      const upload = request.isMultipart()
        ? await uploadForm(services, request, limit)
        : await uploadStream(services, request.raw, limit, {
            filename: headerFilename(request) ?? 'attachment',
            type: typeOf(request.headers['content-type']),
          })
      const { filename, type, blob } = upload
      const id = services.links.sealUpload({ account: who.account.id, ...upload })
      return reply.status(201).send({ id, size: blob.size, contentType: type, filename })
    })
  })
}

/** Strangers are turned away before their bytes are read. */
const signedInFirst = (services: WebServices) => async (request: FastifyRequest) => {
  await requireSession(services.sessions, request)
}

const tooLarge = (limit: number) =>
  new ProblemError(413, 'too-large', `A file takes at most ${Math.floor(limit / 1048576)} MB.`)

const typeOf = (header: string | undefined): string => {
  const type = (header ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  return /^[\w!#$&^.+-]{1,80}\/[\w!#$&^.+-]{1,80}$/.test(type) ? type : 'application/octet-stream'
}

function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}

/** `?filename=`, the field X-Filename (percent-encoded), or the file name of Content-Disposition (RFC 6266). */
function headerFilename(request: FastifyRequest): string | undefined {
  const disposition = request.headers['content-disposition'] ?? ''
  const given = request.headers['x-filename']
  const extended =
    typeof given === 'string'
      ? given.slice(0, 1000)
      : /filename\*\s*=\s*utf-8''([^;\s]{1,1000})/i.exec(disposition)?.[1]
  const plain = /filename\s*=\s*(?:"([^"]{1,300})"|([^;\s]{1,300}))/i.exec(disposition)
  let name = query(request, 'filename') ?? plain?.[1] ?? plain?.[2]
  try {
    if (extended !== undefined) name = decodeURIComponent(extended)
  } catch {
    // The plain form will do.
  }
  return name === undefined ? undefined : cleanFilename(name) || undefined
}

async function uploadForm(services: WebServices, request: FastifyRequest, limit: number) {
  const part = await request.file({ limits: { fileSize: limit + 1, files: 1, fields: 10 } })
  if (!part) throw new ProblemError(422, 'bad-field', 'The form holds no file.', { field: 'file' })
  return uploadStream(services, part.file, limit, {
    filename: cleanFilename(part.filename ?? '') || 'attachment',
    type: typeOf(part.mimetype),
  })
}

async function uploadStream(
  { deps }: WebServices,
  stream: AsyncIterable<Uint8Array>,
  limit: number,
  about: { readonly filename: string; readonly type: string },
) {
  const writer: MessageBlobWriter = await deps.blobs.begin()
  let size = 0
  try {
    // The next chunk is taken once this one is written: a slow disk slows the sender.
    for await (const chunk of stream) {
      size += chunk.length
      if (size > limit) throw tooLarge(limit)
      await writer.write(chunk)
    }
    return { ...about, blob: await writer.finish() }
  } catch (error) {
    await writer.abort()
    throw error
  }
}

function readMessage(fields: Fields): OutgoingMessage {
  const files: ComposeAttachment[] = []
  const uploads: string[] = []
  for (const each of fields.list('attachments', { max: 100 })) {
    if (typeof each === 'string') uploads.push(each)
    else files.push(...readAttachment(each, uploads))
  }
  return {
    from: readAddresses(fields, 'from')[0],
    to: readAddresses(fields, 'to'),
    cc: readAddresses(fields, 'cc'),
    bcc: readAddresses(fields, 'bcc'),
    subject: fields.optionalText('subject', { max: 10_000 }) ?? '',
    text: fields.optionalText('text', { max: MAX_TEXT }),
    html: fields.optionalText('html', { max: MAX_TEXT }),
    uploads,
    files,
    forwardAttachments: [],
    inReplyTo: fields.optionalText('inReplyTo', { max: 64 }),
    forwardOf: fields.optionalText('forwardOf', { max: 64 }),
    sendAt: fields.optionalTime('sendAt'),
    draftId: fields.optionalText('draftId', { max: 64 }),
  }
}

/** `{id}` of an upload, or a small file itself: `{filename, contentType, content}` with base64 content. */
function readAttachment(value: unknown, uploads: string[]): ComposeAttachment[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badField(
      'attachments',
      'An attachment is an id of POST /attachments, or an object with filename, contentType and content.',
    )
  const fields = new Fields(value as Record<string, unknown>)
  const id = fields.optionalText('id', { max: 4000 })
  if (id !== undefined) {
    uploads.push(id)
    return []
  }
  const content = fields.text('content', { max: MAX_JSON })
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(content))
    throw badField('attachments', 'The content of an attachment must be base64.')
  return [
    {
      filename: cleanFilename(fields.text('filename', { max: 300 })) || 'attachment',
      type: typeOf(fields.optionalText('contentType', { max: 200 })),
      bytes: Buffer.from(content, 'base64'),
    },
  ]
}

/** Each entry is `name <address>` text, also several with commas, or `{name, address}`. */
function readAddresses(fields: Fields, name: string): readonly ComposeAddress[] {
  const found = fields.list(name, { max: MAX_RECIPIENTS }).flatMap((each): readonly ComposeAddress[] => {
    if (typeof each === 'string') {
      if (each.length > 10_000 || /[\r\n\0]/.test(each)) throw badField(name, `The field ${name} holds no line breaks.`)
      return parseAddressList(each).map(({ name: shown, address }) => ({ address, ...(shown ? { name: shown } : {}) }))
    }
    if (typeof each !== 'object' || each === null || Array.isArray(each))
      throw badField(name, `An entry of ${name} is an address, or an object with name and address.`)
    const entry = new Fields(each as Record<string, unknown>)
    const shown = entry.optionalText('name', { max: 500 })
    return [{ address: entry.text('address', { max: 700 }), ...(shown ? { name: shown } : {}) }]
  })
  if (found.length > MAX_RECIPIENTS)
    throw badField(name, `The field ${name} takes at most ${MAX_RECIPIENTS} addresses.`)
  return found
}

/** A form: fields by the names of the JSON body, or one field `message` that is that JSON; every file is an attachment. */
async function readForm(request: FastifyRequest): Promise<OutgoingMessage> {
  const values: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  const files: ComposeAttachment[] = []
  let total = 0
  const limits = { fieldSize: MAX_TEXT, fields: MAX_FIELDS, files: 100, fileSize: MAX_ATTACHMENTS + 1, parts: 300 }
  for await (const part of request.parts({ limits })) {
    if (part.type === 'file') {
      const bytes = await wholePart(part, (more) => {
        total += more
        if (total > MAX_ATTACHMENTS) throw tooLarge(MAX_ATTACHMENTS)
      })
      files.push({ filename: cleanFilename(part.filename ?? '') || 'attachment', type: typeOf(part.mimetype), bytes })
      continue
    }
    if (part.fieldnameTruncated || part.valueTruncated)
      throw new ProblemError(413, 'too-large', 'A field of the form is too long.')
    const name = part.fieldname.replace(/\[\]$/, '')
    const value = String(part.value)
    if (name === 'message') Object.assign(values, readJsonField(value))
    else values[name] = values[name] === undefined ? value : [...[values[name]].flat(), value]
  }
  const message = readMessage(new Fields(values))
  return { ...message, files: [...(message.files ?? []), ...files] }
}

async function wholePart(part: MultipartFile, count: (bytes: number) => void): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of part.file as AsyncIterable<Uint8Array>) {
    count(chunk.length)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function readJsonField(text: string): object {
  try {
    const value = strictJson(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (error) {
    if (!(error instanceof BadJson)) throw error
  }
  throw badField('message', 'The field message must be a JSON object.')
}
