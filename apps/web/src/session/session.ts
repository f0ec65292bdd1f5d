// Who is signed in.

import { atom } from '../data/atom.ts'
import { START } from '../data/documents.ts'
import { ApiError, graphql, onSessionExpired, request } from '../data/graphql.ts'
import type { Account, Folder } from '../data/types.ts'

export interface Start {
  readonly me: Account
  readonly folders: readonly Folder[]
}

export type SessionState =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'out' }
  | { readonly kind: 'failed'; readonly error: ApiError }
  | { readonly kind: 'in'; readonly start: Start; readonly expired: boolean }

export const session = atom<SessionState>({ kind: 'unknown' })

onSessionExpired(() => {
  session.set((now) => (now.kind === 'in' ? { ...now, expired: true } : { kind: 'out' }))
})

/** Finds out whether this browser is signed in, and loads what the first screen needs. */
export async function openSession(): Promise<void> {
  try {
    const start = await graphql<Start>(START, {})
    session.set({ kind: 'in', start, expired: false })
  } catch (error) {
    const failure = error instanceof ApiError ? error : new ApiError('unexpected', String(error), 0)
    session.set(failure.code === 'session' ? { kind: 'out' } : { kind: 'failed', error: failure })
  }
}

export async function signIn(address: string, password: string): Promise<void> {
  await request('POST', '/session', { address, password })
  const now = session.get()
  if (now.kind === 'in' && now.start.me.address.toLowerCase() === address.toLowerCase()) {
    session.set({ ...now, expired: false })
  } else await openSession()
}

export async function signOut(): Promise<void> {
  await request('DELETE', '/session').catch(() => {})
  // A fresh page: nothing of the account stays in memory.
  location.assign('/')
}

/** Uses up a one-time link. */
export const redeemWelcome = (token: string) =>
  request<{ mustSetPassword?: boolean; hasPassword?: boolean; address?: string }>('POST', '/session/welcome', { token })

export const setFirstPassword = (password: string) => request('POST', '/account/password', { password })
