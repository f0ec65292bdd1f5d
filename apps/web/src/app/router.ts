// Addresses of the app: every one can be reloaded, shared, and walked with back and forward.

import { atom, useAtom } from '../data/atom.ts'
import { FILTERS, type FilterName } from '../data/view.ts'

export type Route =
  | {
      readonly page: 'mail'
      readonly folder: string
      readonly filter: FilterName
      readonly messageId: string | undefined
    }
  | { readonly page: 'search'; readonly query: string; readonly messageId: string | undefined }
  | { readonly page: 'settings'; readonly section: 'rules' | 'quarantine' }
  | { readonly page: 'welcome'; readonly token: string }

export const HOME: Route = { page: 'mail', folder: 'inbox', filter: 'all', messageId: undefined }

export function parseRoute(url: URL): Route {
  const [first, second, third] = url.pathname.split('/').filter(Boolean).map(decodeURIComponent)
  const f = url.searchParams.get('f')
  const filter = FILTERS.find((name) => name === f) ?? 'all'
  if (first === 'm' && second) return { page: 'mail', folder: second, filter, messageId: third }
  if (first === 'search') {
    return {
      page: 'search',
      query: url.searchParams.get('q') ?? '',
      messageId: url.searchParams.get('m') ?? undefined,
    }
  }
  if (first === 'settings') return { page: 'settings', section: second === 'quarantine' ? 'quarantine' : 'rules' }
  if (first === 'welcome') return { page: 'welcome', token: url.searchParams.get('token') ?? '' }
  return HOME
}

export function routeUrl(route: Route): string {
  switch (route.page) {
    case 'mail': {
      const message = route.messageId ? `/${encodeURIComponent(route.messageId)}` : ''
      return `/m/${encodeURIComponent(route.folder)}${message}${route.filter === 'all' ? '' : `?f=${route.filter}`}`
    }
    case 'search': {
      const message = route.messageId ? `&m=${encodeURIComponent(route.messageId)}` : ''
      return `/search?q=${encodeURIComponent(route.query)}${message}`
    }
    case 'settings':
      return `/settings/${route.section}`
    case 'welcome':
      return `/welcome?token=${encodeURIComponent(route.token)}`
    default: {
      const never: never = route
      return never
    }
  }
}

const current = atom<Route>(parseRoute(new URL(location.href)))
window.addEventListener('popstate', () => current.set(parseRoute(new URL(location.href))))

export const route = current.get
export const useRoute = (): Route => useAtom(current)

export function navigate(to: Route, how: 'push' | 'replace' = 'push'): void {
  const url = routeUrl(to)
  if (url === location.pathname + location.search) how = 'replace'
  if (how === 'push') history.pushState(null, '', url)
  else history.replaceState(null, '', url)
  current.set(to)
}

/** The same list with another message open, or none. */
export function withMessage(from: Route, messageId: string | undefined): Route {
  return from.page === 'mail' || from.page === 'search' ? { ...from, messageId } : HOME
}
