// POST, GET and DELETE /session, the one-time sign-in link, and the password.
import '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { DirectoryRow } from '../../projections/queries.ts'
import { bodyFields } from '../web/fields.ts'
import { COOKIE, clientOf, requireSession, tokenOf } from './request-session.ts'
import type { Sessions } from './sessions.ts'
import { SESSION_LIFE } from './tokens.ts'

export function sessionRoutes(app: FastifyInstance, sessions: Sessions, secureCookies: boolean): void {
  const keep = (reply: FastifyReply, token: string): void => {
    void reply.setCookie(COOKIE, token, {
      path: '/',
      httpOnly: true,
      sameSite: 'lax',
      secure: secureCookies,
      maxAge: SESSION_LIFE / 1000,
    })
  }
  const answer = (reply: FastifyReply, token: string, account: DirectoryRow) => {
    keep(reply, token)
    return reply.header('cache-control', 'no-store').send({ token, ...describe(account) })
  }

  app.post('/session', async (request, reply) => {
    const fields = bodyFields(request)
    const address = fields.text('address', { max: 700 })
    const password = fields.text('password', { max: 2000 })
    const { token, account } = await sessions.signIn(address, password, clientOf(request))
    return answer(reply, token, account)
  })

  app.post('/session/welcome', async (request, reply) => {
    const { token, account } = await sessions.welcome(bodyFields(request).text('token', { max: 500 }))
    return answer(reply, token, account)
  })

  app.get('/session', async (request, reply) => {
    const { account } = await requireSession(sessions, request)
    return reply.header('cache-control', 'no-store').send(describe(account))
  })

  app.delete('/session', async (request: FastifyRequest, reply) => {
    await requireSession(sessions, request)
    const given = tokenOf(request)
    if (given) await sessions.signOut(given.token)
    void reply.clearCookie(COOKIE, { path: '/' })
    return reply.status(204).send()
  })

  app.post('/account/password', async (request, reply) => {
    const who = await requireSession(sessions, request)
    const fields = bodyFields(request)
    const password = fields.text('password', { max: 2000 })
    const current = fields.optionalText('current', { max: 2000 })
    const token = await sessions.setPassword(who, password, current, clientOf(request))
    return answer(reply, token, who.account)
  })
}

const describe = ({ address, name, role, passwordRevision }: DirectoryRow) => ({
  address,
  name,
  role,
  hasPassword: passwordRevision !== undefined,
})
