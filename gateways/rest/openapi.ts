// GET /openapi.json: the description of everything that is served over HTTP besides the web app. A test compares it with the routes.

type Json = Readonly<Record<string, unknown>>

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` })
const json = (schema: Json): Json => ({ content: { 'application/json': { schema } } })
const list = (items: Json): Json => ({ type: 'array', items })
const object = (properties: Json, required: readonly string[] = Object.keys(properties)): Json => ({
  type: 'object',
  properties,
  required,
})
const orNull = (type: string, more: Json = {}): Json => ({ type: [type, 'null'], ...more })
const problem = (description: string): Json => ({
  description,
  content: { 'application/problem+json': { schema: ref('Problem') } },
})
const text: Json = { type: 'string' }
const time: Json = { type: 'string', format: 'date-time' }
const count: Json = { type: 'integer', minimum: 0 }
const revision: Json = { type: 'string', pattern: '^[0-9]+$', description: 'Number of an event in the mailbox stream.' }

const inPath = (name: string, description: string): Json => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: text,
})
const inQuery = (name: string, schema: Json, description: string): Json => ({
  name,
  in: 'query',
  required: false,
  description,
  schema,
})
const atLeast = inQuery('atLeast', revision, 'Wait until the view shows this revision: read your own write.')
const range: Json = {
  name: 'Range',
  in: 'header',
  required: false,
  schema: text,
  description: 'One range of bytes, such as bytes=0-1023.',
}

const standard = {
  '401': problem('Not signed in.'),
  '404': problem('There is no such thing in this account.'),
}
const bytes = (description: string): Json => ({
  description,
  content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
})
const file = {
  '200': bytes('The whole file, as an attachment.'),
  '206': bytes('The range that was asked for.'),
  '304': { description: 'Not changed.' },
  '416': problem('The range lies outside the file, is malformed, or there are several.'),
  ...standard,
}
const signedIn = json(
  object({
    token: { type: 'string', description: 'For the field Authorization: Bearer.' },
    address: text,
    name: text,
    role: ref('Role'),
    hasPassword: { type: 'boolean' },
  }),
)
const open = { security: [] }

const PATHS: Json = {
  '/session': {
    post: {
      operationId: 'signIn',
      summary: 'Signs in; sets a cookie and answers a token.',
      ...open,
      requestBody: { required: true, ...json(object({ address: text, password: text })) },
      responses: {
        '200': { description: 'Signed in.', ...signedIn },
        '401': problem('The address or the password is wrong.'),
        '422': problem('A field is missing.'),
        '429': problem('Too many wrong passwords.'),
      },
    },
    get: {
      operationId: 'whoAmI',
      summary: 'Who is signed in.',
      responses: {
        '200': {
          description: 'The account.',
          ...json(object({ address: text, name: text, role: ref('Role'), hasPassword: { type: 'boolean' } })),
        },
        '401': standard['401'],
      },
    },
    delete: {
      operationId: 'signOut',
      summary: 'Ends this session.',
      responses: { '204': { description: 'Signed out.' }, '401': standard['401'] },
    },
  },
  '/session/welcome': {
    post: {
      operationId: 'signInByLink',
      summary: 'Signs in with the one-time link that the first start prints.',
      ...open,
      requestBody: { required: true, ...json(object({ token: text })) },
      responses: { '200': { description: 'Signed in.', ...signedIn }, '401': problem('The link was used or is over.') },
    },
  },
  '/account/password': {
    post: {
      operationId: 'setPassword',
      summary: 'Sets the password and ends all other sessions.',
      requestBody: {
        required: true,
        ...json(
          object({ password: text, current: { ...text, description: 'Needed once there is one.' } }, ['password']),
        ),
      },
      responses: {
        '200': { description: 'Changed; a new session.', ...signedIn },
        '401': standard['401'],
        '403': problem('The current password is wrong.'),
        '422': problem('The new password will not do.'),
      },
    },
  },
  '/folders': {
    get: {
      operationId: 'listFolders',
      summary: 'The folders of the mailbox, in the order of their creation.',
      parameters: [atLeast],
      responses: { '200': { description: 'The folders.', ...json(list(ref('Folder'))) }, '401': standard['401'] },
    },
  },
  '/folders/{id}/message': {
    get: {
      operationId: 'listMessages',
      summary: 'Messages of a folder, newest first.',
      parameters: [
        inPath('id', 'Folder id.'),
        inQuery('first', { type: 'integer', minimum: 1, maximum: 500, default: 50 }, 'Messages of one page.'),
        inQuery('after', text, 'The `next` of the page before.'),
        inQuery('unread', { type: 'boolean' }, 'Only unread (true) or read (false) ones.'),
        inQuery('flagged', { type: 'boolean' }, 'Only starred (true) or others (false).'),
        inQuery('hasAttachment', { type: 'boolean' }, 'Only with (true) or without (false) attachments.'),
        inQuery('from', text, "Part of the sender's name or address."),
        inQuery('since', time, 'Received at or after.'),
        inQuery('before', time, 'Received before.'),
        atLeast,
      ],
      responses: {
        '200': {
          description: 'A page.',
          ...json(object({ items: list(ref('Message')), next: orNull('string'), revision: orNull('string') })),
        },
        '400': problem('A parameter is wrong.'),
        ...standard,
      },
    },
  },
  '/message': {
    post: {
      operationId: 'sendMessage',
      summary: 'Sends a message. The same Idempotency-Key again is the same message.',
      parameters: [
        {
          name: 'Idempotency-Key',
          in: 'header',
          required: false,
          description: 'UUID that makes a retry the same command.',
          schema: { type: 'string', format: 'uuid' },
        },
      ],
      requestBody: {
        required: true,
        content: {
          'application/json': { schema: ref('OutgoingMessage') },
          'multipart/form-data': {
            schema: {
              type: 'object',
              description:
                'Fields by the names of the JSON body, or one field `message` that is that JSON; every file is an attachment.',
              additionalProperties: true,
            },
          },
          'message/rfc822': {
            schema: { type: 'string', format: 'binary', description: 'Recipients are its To, Cc and Bcc.' },
          },
        },
      },
      responses: {
        '202': {
          description: 'Taken: durable, on its way.',
          ...json(object({ messageId: text, submissionId: text, revision })),
        },
        '400': problem('The body cannot be read.'),
        '401': standard['401'],
        '413': problem('The message is too large.'),
        '415': problem('Not one of the three media types.'),
        '422': problem('A field is wrong; it is named.'),
      },
    },
  },
  '/message/{id}': {
    get: {
      operationId: 'readMessage',
      summary: 'A message whole: envelope, structure, text, sanitised HTML, attachments, flags.',
      parameters: [
        inPath('id', 'Message id.'),
        inQuery('images', { type: 'string', enum: ['1'] }, 'Keep remote images in the HTML.'),
        atLeast,
      ],
      responses: { '200': { description: 'The message.', ...json(ref('WholeMessage')) }, ...standard },
    },
  },
  '/message/{id}/history': {
    get: {
      operationId: 'messageHistory',
      summary: 'What happened to the message, oldest first.',
      parameters: [inPath('id', 'Message id.')],
      responses: { '200': { description: 'Its history.', ...json(list(ref('HistoryEntry'))) }, ...standard },
    },
  },
  '/message/{id}/raw': {
    get: {
      operationId: 'rawMessage',
      summary: 'The exact bytes that were received.',
      parameters: [inPath('id', 'Message id.'), range],
      responses: file,
    },
  },
  '/message/{id}/attachments/{part}': {
    get: {
      operationId: 'downloadAttachment',
      summary: 'One attachment, decoded.',
      parameters: [inPath('id', 'Message id.'), inPath('part', 'Section number, such as 2 or 1.3.'), range],
      responses: file,
    },
  },
  '/attachments': {
    post: {
      operationId: 'upload',
      summary: 'Uploads a file for a message to come: the body itself, or a form with one file.',
      parameters: [inQuery('filename', text, 'Name of the file, unless Content-Disposition says it.')],
      requestBody: {
        required: true,
        content: {
          '*/*': { schema: { type: 'string', format: 'binary' } },
          'multipart/form-data': { schema: object({ file: { type: 'string', format: 'binary' } }) },
        },
      },
      responses: {
        '201': {
          description: 'Stored; the id is good for a week.',
          ...json(object({ id: text, size: count, contentType: text, filename: text })),
        },
        '401': standard['401'],
        '413': problem('The file is too large.'),
      },
    },
  },
  '/body/{token}': {
    get: {
      operationId: 'bodyPage',
      summary: 'The HTML body as a page for a sandboxed frame; the address is a `bodyUrl`.',
      ...open,
      parameters: [
        inPath('token', 'Signed, good for one to two hours.'),
        inQuery('images', { type: 'string', enum: ['1'] }, 'Show remote images.'),
      ],
      responses: {
        '200': { description: 'The page.', content: { 'text/html': { schema: text } } },
        '404': problem('The link is over.'),
      },
    },
  },
  '/part/{token}': {
    get: {
      operationId: 'inlinePicture',
      summary: 'A picture that an HTML body shows.',
      ...open,
      parameters: [inPath('token', 'Signed, good for one to two hours.'), range],
      responses: {
        '200': {
          description: 'The picture.',
          content: { 'image/*': { schema: { type: 'string', format: 'binary' } } },
        },
        '206': bytes('The range that was asked for.'),
        '404': problem('The link is over.'),
        '416': problem('The range lies outside the file.'),
      },
    },
  },
  '/graphql': {
    post: {
      operationId: 'graphql',
      summary: 'GraphQL; subscriptions as server-sent events with Accept: text/event-stream.',
      requestBody: {
        required: true,
        ...json(
          object(
            {
              query: text,
              variables: { type: 'object' },
              operationName: orNull('string'),
              extensions: { type: 'object' },
            },
            ['query'],
          ),
        ),
      },
      responses: {
        '200': { description: 'The result.', ...json(ref('GraphqlResult')) },
        '400': { description: 'The request is wrong; `errors` says how.', ...json(ref('GraphqlResult')) },
        '401': { description: 'Not signed in.', ...json(ref('GraphqlResult')) },
      },
    },
    get: {
      operationId: 'graphqlByGet',
      summary: 'Queries and subscriptions by GET; WebSocket (graphql-transport-ws) by upgrade.',
      parameters: [
        inQuery('query', text, 'The document.'),
        inQuery('variables', text, 'JSON.'),
        inQuery('operationName', text, 'One of the operations.'),
      ],
      responses: {
        '101': { description: 'WebSocket.' },
        '200': { description: 'The result.', ...json(ref('GraphqlResult')) },
        '400': { description: 'The request is wrong.', ...json(ref('GraphqlResult')) },
      },
    },
  },
  '/healthz': {
    get: {
      operationId: 'isAlive',
      summary: 'Whether the process answers.',
      ...open,
      responses: { '200': { description: 'It does.', ...json(object({ status: text })) } },
    },
  },
  '/readyz': {
    get: {
      operationId: 'isReady',
      summary: 'Whether the views follow the log.',
      ...open,
      responses: {
        '200': { description: 'They do.', ...json(object({ status: text })) },
        '503': problem('Not yet.'),
      },
    },
  },
  '/metrics': {
    get: {
      operationId: 'metrics',
      summary: 'Counters and gauges in the Prometheus text format.',
      ...open,
      responses: { '200': { description: 'The metrics.', content: { 'text/plain': { schema: text } } } },
    },
  },
  '/openapi.json': {
    get: {
      operationId: 'openapi',
      summary: 'This document.',
      ...open,
      responses: { '200': { description: 'This document.', ...json({ type: 'object' }) } },
    },
  },
}

const message = {
  id: text,
  folderId: text,
  uid: count,
  threadId: text,
  subject: text,
  from: list(ref('Address')),
  to: list(ref('Address')),
  date: orNull('string', { format: 'date-time', description: 'The Date field.' }),
  receivedAt: time,
  size: count,
  flags: list(text),
  unread: { type: 'boolean' },
  flagged: { type: 'boolean' },
  snippet: text,
  hasAttachment: { type: 'boolean' },
  messageIdHeader: orNull('string'),
}
const recipients = { ...list({ anyOf: [text, ref('Address')] }), description: 'Addresses as text, or with a name.' }

const SCHEMAS: Json = {
  Problem: {
    ...object({ type: text, title: text, status: count, detail: text, code: text }),
    description: 'RFC 9457. `field` names what was wrong in the request.',
  },
  Role: { type: 'string', enum: ['user', 'admin', 'auditor'] },
  Address: object({ name: orNull('string'), address: text }, ['address']),
  Folder: object({
    id: text,
    name: text,
    parentId: orNull('string'),
    role: { enum: ['inbox', 'drafts', 'sent', 'archive', 'junk', 'trash', null] },
    total: count,
    unread: count,
    uidValidity: count,
    uidNext: count,
    subscribed: { type: 'boolean' },
  }),
  Message: object(message),
  Envelope: object({
    date: orNull('string', { format: 'date-time' }),
    subject: text,
    from: list(ref('Address')),
    sender: list(ref('Address')),
    replyTo: list(ref('Address')),
    to: list(ref('Address')),
    cc: list(ref('Address')),
    bcc: list(ref('Address')),
    messageId: orNull('string'),
    inReplyTo: list(text),
    references: list(text),
  }),
  Attachment: object(
    {
      section: text,
      filename: text,
      type: text,
      size: { ...count, description: 'Decoded; an estimate for encoded parts.' },
      inline: { type: 'boolean' },
      contentId: text,
      url: text,
    },
    ['section', 'filename', 'type', 'size', 'inline', 'url'],
  ),
  FilterVerdict: object(
    {
      action: { type: 'string', enum: ['deliver', 'junk', 'quarantine', 'reject'] },
      score: { type: 'number' },
      reasons: list(object({ engine: text, rule: text, score: { type: 'number' }, text })),
      malware: { type: 'boolean' },
    },
    ['action', 'score', 'reasons'],
  ),
  WholeMessage: object({
    ...message,
    expunged: { type: 'boolean' },
    envelope: ref('Envelope'),
    structure: { type: 'object', description: 'The MIME tree with byte ranges of the raw message.' },
    text,
    html: orNull('string', { description: 'Sanitised.' }),
    remoteImageCount: count,
    bodyUrl: orNull('string'),
    attachments: list(ref('Attachment')),
    verdict: { anyOf: [ref('FilterVerdict'), { type: 'null' }], description: 'What the filters said of it.' },
    links: object({ raw: text, history: text, thread: text }),
  }),
  HistoryEntry: object({
    eventId: text,
    type: text,
    stream: text,
    revision,
    position: text,
    at: time,
    actor: text,
    via: text,
    clientAddress: orNull('string'),
    clientName: orNull('string'),
    summary: text,
    correlationId: text,
    causationId: text,
  }),
  OutgoingMessage: object(
    {
      from: { anyOf: [text, ref('Address')], description: 'One of your own addresses.' },
      to: recipients,
      cc: recipients,
      bcc: recipients,
      subject: text,
      text,
      html: text,
      attachments: list({
        anyOf: [
          { type: 'string', description: 'An id of POST /attachments.' },
          object({ id: text }),
          object({ filename: text, contentType: text, content: { type: 'string', contentEncoding: 'base64' } }, [
            'filename',
            'content',
          ]),
        ],
      }),
      inReplyTo: { ...text, description: 'Id of the message that this answers.' },
      forwardOf: { ...text, description: 'Id of the message that this forwards.' },
      sendAt: { ...time, description: 'Not before this instant.' },
      draftId: { ...text, description: 'The draft that this was.' },
    },
    ['to'],
  ),
  GraphqlResult: object({ data: orNull('object'), errors: list({ type: 'object' }) }, []),
}

export const openApi = (publicUrl: string | undefined): Json => ({
  openapi: '3.1.0',
  info: {
    title: 'Everpost',
    version: '0.1.0',
    description: 'Mail over HTTP. Every change is an event; every answer is of one account.',
  },
  servers: [{ url: publicUrl ?? '/' }],
  security: [{ bearer: [] }, { cookie: [] }],
  paths: PATHS,
  components: {
    schemas: SCHEMAS,
    securitySchemes: {
      bearer: {
        type: 'http',
        scheme: 'bearer',
        description: 'The token of POST /session, or of `everpost token create`.',
      },
      cookie: {
        type: 'apiKey',
        in: 'cookie',
        name: 'everpost_session',
        description: 'Requests that change something also need the field x-everpost.',
      },
    },
  },
})
