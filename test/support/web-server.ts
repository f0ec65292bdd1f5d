// The embedded profile behind the web gateway, with two people who know nothing of each other.
import { request as httpRequest } from 'node:http'
import type { TestContext } from 'node:test'
import { changeAccount } from '../../commands/change-account.ts'
import { contextOf } from '../../commands/context.ts'
import { newId } from '../../commands/identity.ts'
import { openAccount } from '../../commands/open-account.ts'
import { hashPassword, newSecret } from '../../commands/passwords.ts'
import { receiveMail } from '../../commands/receive-mail.ts'
import { type ComposeInput, composeMail } from '../../domain/mail/compose.ts'
import { readMail } from '../../domain/mail/read.ts'
import type { WebDependencies } from '../../gateways/web/dependencies.ts'
import { createWebGateway, type WebGateway } from '../../gateways/web/gateway.ts'
import { loadConfig } from '../../infra/config.ts'
import { type Everpost, openEverpost } from '../../infra/open-everpost.ts'
import { temporaryFolder } from './folders.ts'

export const PASSWORD = 'correct horse battery'

export interface Person {
  readonly id: string
  readonly address: string
  readonly token: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  readonly json: any
}

export class TestServer {
  readonly everpost: Everpost
  readonly gateway: WebGateway
  readonly port: number
  readonly errors: unknown[]
  constructor(everpost: Everpost, gateway: WebGateway, port: number, errors: unknown[]) {
    this.everpost = everpost
    this.gateway = gateway
    this.port = port
    this.errors = errors
  }

  /** One request over a connection of its own. */
  request(
    method: string,
    path: string,
    options: {
      readonly token?: string | undefined
      readonly json?: unknown
      readonly body?: Uint8Array | string | undefined
      readonly headers?: Readonly<Record<string, string>>
    } = {},
  ): Promise<Answer> {
    const body = options.json === undefined ? options.body : JSON.stringify(options.json)
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          port: this.port,
          host: '127.0.0.1',
          method,
          path,
          agent: false,
          headers: {
            ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
            ...(options.json === undefined ? {} : { 'content-type': 'application/json' }),
            ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
            ...options.headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () => {
            const bytes = Buffer.concat(chunks)
            const text = bytes.toString()
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: bytes,
              text,
              get json() {
                return JSON.parse(text)
              },
            })
          })
        },
      )
      request.setTimeout(20_000, () => request.destroy(new Error(`No answer: ${method} ${path}`)))
      request.on('error', reject)
      request.end(body)
    })
  }

  async graphql(
    person: Person,
    query: string,
    variables: object = {},
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  ): Promise<{ status: number; data: any; errors: any[] | undefined }> {
    const answer = await this.request('POST', '/graphql', { token: person.token, json: { query, variables } })
    return { status: answer.status, data: answer.json.data, errors: answer.json.errors }
  }

  /** Mail arrives for a person as by SMTP; its message id once the views show it. */
  async deliver(
    person: Person,
    mail: Partial<ComposeInput> | Uint8Array,
    options: { readonly wait?: boolean } = {},
  ): Promise<string> {
    const raw =
      mail instanceof Uint8Array
        ? mail
        : composeMail({
            from: { name: 'Kim', address: 'kim@elsewhere.example' },
            to: [{ address: person.address }],
            subject: 'Hello',
            text: 'A short text.',
            messageId: `${newId()}@elsewhere.example`,
            date: Date.now(),
            ...mail,
          })
    const intakeId = newId()
    await receiveMail(this.everpost.journal, contextOf('smtp', 'smtp'), {
      intakeId,
      mailFrom: 'kim@elsewhere.example',
      recipients: [{ accountId: person.id, address: person.address }],
      blob: await this.everpost.blobs.put(raw),
      mail: readMail(raw),
      remoteAddress: '192.0.2.1',
    })
    if (options.wait ?? true) await this.settle()
    const { messageIdFor } = await import('../../commands/receive-mail.ts')
    return messageIdFor(intakeId, person.id)
  }

  async settle(): Promise<void> {
    await this.everpost.services.settle()
  }
}

export function webDependencies(everpost: Everpost, errors: unknown[], webRoot: string): WebDependencies {
  const { projectors, journal, blobs, keyring, services, config } = everpost
  return {
    config: { domain: config.domain, webRoot, maxUploadBytes: 4 * 1024 * 1024 },
    journal,
    source: journal,
    blobs,
    secrets: { sessionKey: keyring.derive('session'), linkKey: keyring.derive('link') },
    views: projectors,
    waitForRevision: (account, revision, options) => projectors.waitForRevision(account, revision, options),
    waitForPosition: (position, options) => projectors.waitForPosition(position, options),
    onApplied: (listener) => projectors.onApplied(listener),
    search: (account, query, options) => everpost.search.search(account, query, options),
    mailboxAt: (account, time) => services.mailboxAt(account, { time }),
    projections: async () => await projectors.status(),
    cache: everpost.cache,
    onError: (error) => errors.push(error),
  }
}

export async function startWeb(
  t: Pick<TestContext, 'after'>,
  options: { readonly people?: readonly string[]; readonly webRoot?: string } = {},
): Promise<{ server: TestServer; people: readonly Person[]; alice: Person; bob: Person }> {
  const data = temporaryFolder()
  const everpost = await openEverpost(loadConfig({ data }, {}, data))
  const errors: unknown[] = []
  const gateway = await createWebGateway(webDependencies(everpost, errors, options.webRoot ?? `${data}/no-web-app`))
  const port = await gateway.listen({ host: '127.0.0.1', port: 0 })
  const server = new TestServer(everpost, gateway, port, errors)
  t.after(async () => {
    await gateway.close()
    await everpost.close()
  })
  const hash = await hashPassword(PASSWORD)
  const people: Person[] = []
  for (const name of options.people ?? ['alice', 'bob']) {
    const address = `${name}@${everpost.config.domain}`
    const opened = await openAccount(everpost.services, contextOf('system', 'system'), { address, name })
    if (!opened.ok) throw new Error(opened.refusal.message)
    const id = opened.accountId
    const secret = newSecret()
    const { journal } = everpost
    await changeAccount(journal, contextOf(id, 'cli'), id, { type: 'ChangePassword', hash })
    await changeAccount(journal, contextOf(id, 'cli'), id, {
      type: 'AddAppPassword',
      appPasswordId: newId(),
      label: 'test',
      hash: secret.hash,
    })
    people.push({ id, address, token: `ep_${id}_${secret.secret}` })
  }
  await server.settle()
  return { server, people, alice: people[0] as Person, bob: people[1] as Person }
}
