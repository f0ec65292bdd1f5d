// List and reader side by side, or one at a time, and the commands that work on them.

import { useCallback, useEffect, useRef } from 'react'
import { useDesk, useMailbox } from '../app/context.ts'
import { useLayout } from '../app/layout.ts'
import { navigate, type Route, route, withMessage } from '../app/router.ts'
import { setPreferences, usePreferences } from '../data/preferences.ts'
import type { ViewSource } from '../data/view.ts'
import { viewKey } from '../data/view.ts'
import { t, useLanguage } from '../i18n/index.ts'
import { useCommand } from '../keyboard/dispatcher.ts'
import { Resizer } from '../ui/Resizer.tsx'
import { drafts } from './composer/composers.ts'
import { findFolder, folderTitle } from './folders/names.ts'
import { ListHead } from './list/ListHead.tsx'
import { EmptyList, FailedList } from './list/ListStates.tsx'
import { type ListHandle, MessageList } from './list/MessageList.tsx'
import { selectIn, selection, setCursor, targets, useSelection } from './list/selection.ts'
import { useListCommands } from './list/useListCommands.ts'
import { NothingOpen } from './reader/NothingOpen.tsx'
import { Reader } from './reader/Reader.tsx'

type MailRoute = Extract<Route, { page: 'mail' | 'search' }>

export function MailPage({ at }: { readonly at: MailRoute }) {
  useLanguage()
  const { mailbox } = useDesk()
  const folders = useMailbox((each) => each.folders)
  const folder = at.page === 'mail' ? findFolder(folders, at.folder) : undefined
  const source: ViewSource | undefined =
    at.page === 'search'
      ? { kind: 'search', query: at.query }
      : folder && { kind: 'folder', folderId: folder.id, filter: at.filter }
  useEffect(() => {
    const name = at.page === 'search' ? at.query || t('search') : folder ? folderTitle(folder) : ''
    const unread = at.page === 'mail' && folder && folder.unread > 0 ? `(${folder.unread}) ` : ''
    document.title = `${unread}${name} · ${mailbox.account.address} · Everpost`
  })
  if (!source) return <p className="page-note">{t('folderGone')}</p>
  return <Panes key={viewKey(source)} at={at} source={source} />
}

function Panes({ at, source }: { readonly at: MailRoute; readonly source: ViewSource }) {
  const { mailbox, details } = useDesk()
  const { listWidth } = usePreferences()
  const layout = useLayout()
  const view = mailbox.view(source)
  const state = useMailbox((each) => each.view(source).state)
  const folders = useMailbox((each) => each.folders)
  const folder = source.kind === 'folder' ? folders.find((each) => each.id === source.folderId) : undefined
  const showRecipient = folder?.role === 'SENT' || folder?.role === 'DRAFTS'
  const picked = useSelection()
  const handle = useRef<ListHandle | null>(null)
  const openId = at.messageId

  selectIn(view.key)
  // Filters keep what was read while they are open, and searches are asked anew: neither outlives its page.
  const passing = source.kind === 'search' || source.filter !== 'all'
  useEffect(() => {
    selectIn(view.key)
    return () => {
      if (passing) mailbox.dropView(view.key)
    }
  }, [mailbox, view.key, passing])

  // The open message is where the cursor is. When it leaves the list, the message that took its place opens.
  // biome-ignore lint/correctness/useExhaustiveDependencies: only when another message opens
  useEffect(() => {
    if (openId !== undefined && view.known.has(openId) && selection.get().cursor !== openId) setCursor(view, openId)
  }, [openId, view, state.status])
  const wasHere = useRef(false)
  useEffect(() => {
    if (openId === undefined) return
    if (view.known.has(openId)) wasHere.current = true
    else if (wasHere.current && state.status === 'ready') {
      wasHere.current = false
      const next = view.resolve(openId)
      const go = layout === 'phone' || layout === 'tablet' ? undefined : next
      navigate(withMessage(route(), go), 'replace')
    }
  }, [openId, view, state, layout])
  useEffect(() => {
    wasHere.current = openId !== undefined && view.known.has(openId)
  }, [openId, view])

  const open = useCallback(
    (id: string) => {
      const message = mailbox.message(id)
      if (message && mailbox.folderByRole('DRAFTS')?.id === message.folderId) {
        void drafts.openStored(id, details)
        return
      }
      const now = route()
      const replace = (now.page === 'mail' || now.page === 'search') && now.messageId !== undefined
      navigate(withMessage(now, id), replace ? 'replace' : 'push')
    },
    [mailbox, details],
  )
  // The next message is likely to be wanted next.
  useEffect(() => {
    if (openId === undefined) return
    const after = state.ids[state.ids.indexOf(openId) + 1]
    if (after !== undefined) details.want(after)
  }, [openId, state.ids, details])

  const closeReader = useCallback(() => navigate(withMessage(route(), undefined)), [])
  useListCommands({ view, handle, open, openId, closeReader })
  useCommand('back-to-list', closeReader, openId !== undefined)

  const single = layout === 'phone' || layout === 'tablet'
  const showList = !single || openId === undefined
  const showReader = !single || openId !== undefined
  const label = source.kind === 'search' ? t('resultsList') : t('list', { name: folder ? folderTitle(folder) : '' })
  return (
    <div className={`panes ${openId === undefined ? '' : 'has-open'}`}>
      <section className="list-pane" aria-label={label} hidden={!showList} style={single ? {} : { width: listWidth }}>
        <ListHead view={view} state={state} source={source} folder={folder} />
        {state.error && <FailedList view={view} state={state} />}
        {state.status === 'ready' && state.ids.length === 0 && !state.error ? (
          <EmptyList source={source} folder={folder} />
        ) : (
          <MessageList
            view={view}
            state={state}
            label={label}
            openId={openId}
            showRecipient={showRecipient}
            onOpen={open}
            handle={handle}
          />
        )}
      </section>
      {!single && (
        <Resizer
          label={t('resizeList')}
          value={listWidth}
          min={280}
          max={640}
          initial={400}
          onChange={(value) => setPreferences({ listWidth: value })}
        />
      )}
      {showReader && (
        <section className="reader-pane" aria-label={t('reader')}>
          {openId !== undefined && picked.ticked.size < 2 ? (
            <Reader key={openId} messageId={openId} view={view} onClose={closeReader} single={single} open={open} />
          ) : (
            <NothingOpen ids={picked.ticked.size > 1 ? targets() : []} />
          )}
        </section>
      )}
    </div>
  )
}
