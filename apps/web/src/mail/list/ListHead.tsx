import { Archive, CheckCheck, FolderInput, Mail, MailOpen, ShieldAlert, Star, Trash2, X } from 'lucide-react'
import { useDesk } from '../../app/context.ts'
import { navigate, route } from '../../app/router.ts'
import type { Folder } from '../../data/types.ts'
import { FILTERS, type FilterName, type View, type ViewSource, type ViewState } from '../../data/view.ts'
import { type TextKey, t } from '../../i18n/index.ts'
import { IconButton } from '../../ui/Button.tsx'
import { folderTitle } from '../folders/names.ts'
import { movePicker } from '../MovePicker.tsx'
import { tickAll, tickNone, useSelection } from './selection.ts'

const filterText: Record<FilterName, TextKey> = {
  all: 'filterAll',
  unread: 'filterUnread',
  starred: 'filterStarred',
  attachments: 'filterAttachments',
}

interface HeadProps {
  readonly view: View
  readonly state: ViewState
  readonly source: ViewSource
  readonly folder: Folder | undefined
}

export function ListHead({ view, state, source, folder }: HeadProps) {
  const { ticked } = useSelection()
  return (
    <header className="list-head">
      {ticked.size > 0 ? (
        <BulkBar view={view} ids={[...ticked]} />
      ) : (
        <div className="list-title">
          <h1>{source.kind === 'search' ? t('search') : folder ? folderTitle(folder) : ''}</h1>
          <span className="list-count">{countText(state, source)}</span>
        </div>
      )}
      {source.kind === 'folder' ? (
        <fieldset className="filters">
          <legend className="sr-only">{t('filterLabel')}</legend>
          {FILTERS.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={source.filter === name}
              className="filter"
              onClick={() => {
                const now = route()
                if (now.page === 'mail') navigate({ ...now, filter: name })
              }}
            >
              {t(filterText[name])}
            </button>
          ))}
        </fieldset>
      ) : (
        <p className="coverage" role="status">
          {state.status === 'ready' && (
            <>
              {t('searchedAll')}
              {state.warnings.map((warning) => (
                <span key={warning} className="warning">
                  {warning}
                </span>
              ))}
            </>
          )}
        </p>
      )}
      <div className={`progress ${state.busy ? 'on' : ''}`} aria-hidden="true" />
    </header>
  )
}

function countText(state: ViewState, source: ViewSource): string {
  if (state.status !== 'ready') return ''
  if (source.kind === 'folder') return t('nMessages', { n: state.total })
  return t(state.exact ? 'nResults' : 'aboutResults', { n: state.total })
}

function BulkBar({ view, ids }: { readonly view: View; readonly ids: readonly string[] }) {
  const { actions } = useDesk()
  return (
    <div className="list-title bulk" role="toolbar" aria-label={t('nSelected', { n: ids.length })}>
      <IconButton icon={X} label={t('clearSelection')} onClick={tickNone} />
      <strong aria-live="polite">{t('nSelected', { n: ids.length })}</strong>
      <span className="grow" />
      <IconButton icon={CheckCheck} label={t('selectAll')} onClick={() => tickAll(view)} />
      <IconButton icon={Archive} label={t('archive')} command="archive" onClick={() => actions.archive(ids)} />
      <IconButton icon={Trash2} label={t('delete')} command="trash" onClick={() => actions.trash(ids)} />
      <IconButton icon={FolderInput} label={t('move')} command="move" onClick={() => movePicker.set(ids)} />
      <IconButton
        icon={MailOpen}
        label={t('markRead')}
        command="mark-read"
        onClick={() => actions.markRead(ids, true)}
      />
      <IconButton
        icon={Mail}
        label={t('markUnread')}
        command="mark-unread"
        onClick={() => actions.markRead(ids, false)}
      />
      <IconButton icon={Star} label={t('star')} command="star" onClick={() => actions.toggleStar(ids)} />
      <IconButton icon={ShieldAlert} label={t('junk')} command="junk" onClick={() => actions.junk(ids)} />
    </div>
  )
}
