// The frame around every page: top bar, folders, the page, what floats above.

import { Inbox, Menu as MenuIcon, PenLine, Search as SearchIcon } from 'lucide-react'
import { lazy, Suspense, useEffect, useState } from 'react'
import { useAtom } from '../data/atom.ts'
import { setPreferences, usePreferences } from '../data/preferences.ts'
import { t, useLanguage } from '../i18n/index.ts'
import { useCommand } from '../keyboard/dispatcher.ts'
import { composers, newDraft, openComposer } from '../mail/composer/composers.ts'
import { newestHeld, takeBack } from '../mail/composer/held.ts'
import { FolderPane } from '../mail/folders/FolderPane.tsx'
import { MailPage } from '../mail/MailPage.tsx'
import { MovePicker } from '../mail/MovePicker.tsx'
import { SearchBox } from '../search/SearchBox.tsx'
import { Button, IconButton } from '../ui/Button.tsx'
import { Logo } from '../ui/Logo.tsx'
import { Resizer } from '../ui/Resizer.tsx'
import { AccountMenu } from './AccountMenu.tsx'
import { useDesk, useMailbox } from './context.ts'
import { HelpDialog } from './HelpDialog.tsx'
import { useLayout } from './layout.ts'
import { HOME, navigate, type Route, useRoute } from './router.ts'
import { Toasts } from './Toasts.tsx'

const loadComposer = () => import('../mail/composer/Composer.tsx')
const Composers = lazy(loadComposer)
const QuarantinePage = lazy(() => import('../settings/QuarantinePage.tsx'))
const RulesPage = lazy(() => import('../settings/RulesPage.tsx'))

export function Shell() {
  useLanguage()
  const at = useRoute()
  const layout = useLayout()
  const desk = useDesk()
  const { actions } = desk
  const { folderWidth } = usePreferences()
  const writing = useAtom(composers)
  const [foldersShown, setFoldersShown] = useState(false)
  const [help, setHelp] = useState(false)
  const wide = layout === 'wide' || layout === 'desk'
  // From 1024 to 1279 the folders make room while a message is open.
  const messageId = at.page === 'mail' || at.page === 'search' ? at.messageId : undefined
  const docked = layout === 'wide' || (layout === 'desk' && messageId === undefined)
  const overlay = !docked && foldersShown
  const write = () => openComposer(newDraft())

  useEffect(() => {
    // The composer's code, once the first screen is done.
    const idle = setTimeout(loadComposer, 1500)
    return () => clearTimeout(idle)
  }, [])
  useCommand('compose', write)
  useCommand('undo', () => {
    const held = newestHeld()
    if (held && held.doneAt >= actions.newestAt) void takeBack(held, desk)
    else actions.undo()
  })
  useCommand('help', () => setHelp(true))
  const go = (folder: string) => () => navigate({ ...HOME, folder } as Route)
  useCommand('go-inbox', go('inbox'))
  useCommand('go-sent', go('sent'))
  useCommand('go-drafts', go('drafts'))
  useCommand('go-archive', go('archive'))
  useCommand('go-junk', go('junk'))
  useCommand('go-trash', go('trash'))
  useCommand('go-starred', () => navigate({ ...HOME, folder: 'inbox', filter: 'starred' } as Route))
  useCommand('escape', () => setFoldersShown(false), overlay)

  if (at.page === 'welcome') return null
  const focusSearch = () => document.querySelector<HTMLInputElement>('.search input')?.focus()
  return (
    <div className={`shell ${layout} ${messageId === undefined ? '' : 'reading'}`}>
      <header className="top-bar">
        {!docked && (
          <IconButton
            icon={MenuIcon}
            label={t('folders')}
            size={20}
            aria-expanded={overlay}
            onClick={() => setFoldersShown(!foldersShown)}
          />
        )}
        <Logo small />
        <SearchBox at={at} />
        <LinkChip />
        {layout === 'desk' && !docked && (
          <IconButton icon={PenLine} label={t('compose')} command="compose" size={20} onClick={write} />
        )}
        <AccountMenu onHelp={() => setHelp(true)} />
      </header>
      <div className="middle">
        {(docked || overlay) && (
          <>
            {overlay && (
              // biome-ignore lint/a11y/useKeyWithClickEvents: Esc closes it too
              // biome-ignore lint/a11y/noStaticElementInteractions: the dimmed page behind
              <div className="scrim" onClick={() => setFoldersShown(false)} />
            )}
            <div className={`side ${overlay ? 'overlay' : ''}`} style={docked ? { width: folderWidth } : {}}>
              {layout !== 'phone' && (
                <Button look="primary" icon={PenLine} className="compose-button" onClick={write}>
                  {t('compose')}
                </Button>
              )}
              <FolderPane at={at} onChoose={() => setFoldersShown(false)} />
            </div>
            {layout === 'wide' && (
              <Resizer
                label={t('resizeFolders')}
                value={folderWidth}
                min={180}
                max={320}
                initial={232}
                onChange={(value) => setPreferences({ folderWidth: value })}
              />
            )}
          </>
        )}
        <main className="page">
          {at.page === 'settings' ? (
            <Suspense fallback={null}>{at.section === 'quarantine' ? <QuarantinePage /> : <RulesPage />}</Suspense>
          ) : (
            <MailPage at={at} />
          )}
        </main>
      </div>
      {!wide && messageId === undefined && at.page !== 'settings' && (
        <Button look="primary" icon={PenLine} className="compose-float" onClick={write} aria-label={t('compose')} />
      )}
      {layout === 'phone' && (
        <nav className="bottom-bar" aria-label={t('menu')}>
          <button type="button" onClick={() => setFoldersShown(!foldersShown)} aria-expanded={overlay}>
            <MenuIcon size={20} strokeWidth={1.75} aria-hidden="true" />
            {t('folders')}
          </button>
          <button
            type="button"
            aria-current={at.page === 'mail' && at.folder === 'inbox' ? 'page' : undefined}
            onClick={() => {
              setFoldersShown(false)
              navigate(HOME)
            }}
          >
            <Inbox size={20} strokeWidth={1.75} aria-hidden="true" />
            {t('folderInbox')}
          </button>
          <button type="button" onClick={focusSearch}>
            <SearchIcon size={20} strokeWidth={1.75} aria-hidden="true" />
            {t('search')}
          </button>
        </nav>
      )}
      {writing.length > 0 && (
        <Suspense fallback={null}>
          <Composers />
        </Suspense>
      )}
      <Toasts />
      <MovePicker />
      {help && <HelpDialog onClose={() => setHelp(false)} />}
    </div>
  )
}

function LinkChip() {
  const link = useMailbox((mailbox) => mailbox.link)
  const pending = useMailbox((mailbox) => mailbox.pending)
  return (
    <span className="link-chip" role="status">
      {link === 'offline' && (
        <span className="chip-offline">{pending > 0 ? t('offlineKept', { n: pending }) : t('offline')}</span>
      )}
    </span>
  )
}
