import { AlertTriangle, Coffee, Inbox, SearchX } from 'lucide-react'
import { useDesk } from '../../app/context.ts'
import { navigate, route } from '../../app/router.ts'
import { retry } from '../../data/loading.ts'
import type { Folder } from '../../data/types.ts'
import type { View, ViewSource, ViewState } from '../../data/view.ts'
import { t } from '../../i18n/index.ts'
import { Button } from '../../ui/Button.tsx'

export function EmptyList({ source, folder }: { readonly source: ViewSource; readonly folder: Folder | undefined }) {
  if (source.kind === 'search') {
    return (
      <Empty icon={SearchX} title={source.query ? t('emptySearch', { query: source.query }) : t('searchMail')}>
        <p>{t('emptySearchText')}</p>
      </Empty>
    )
  }
  if (source.filter !== 'all') {
    return (
      <Empty icon={Inbox} title={t('emptyFilter')}>
        <Button
          onClick={() => {
            const now = route()
            if (now.page === 'mail') navigate({ ...now, filter: 'all' })
          }}
        >
          {t('clearFilter')}
        </Button>
      </Empty>
    )
  }
  const inbox = folder?.role === 'INBOX'
  return (
    <Empty icon={inbox ? Coffee : Inbox} title={inbox ? t('emptyInbox') : t('emptyFolder')}>
      <p>{inbox ? t('emptyInboxText') : t('emptyFolderText')}</p>
    </Empty>
  )
}

interface EmptyProps {
  readonly icon: typeof Inbox
  readonly title: string
  readonly children: React.ReactNode
}

function Empty({ icon: Icon, title, children }: EmptyProps) {
  return (
    <div className="empty" role="status">
      <span className="empty-icon">
        <Icon size={28} strokeWidth={1.5} aria-hidden="true" />
      </span>
      <h2>{title}</h2>
      {children}
    </div>
  )
}

export function FailedList({ view, state }: { readonly view: View; readonly state: ViewState }) {
  const { mailbox } = useDesk()
  return (
    <div className="banner bad" role="alert">
      <AlertTriangle size={16} aria-hidden="true" />
      <span>
        {t('listFailed')} <small>{state.error?.code}</small>
      </span>
      <Button look="quiet" onClick={() => retry(mailbox, view)}>
        {t('retry')}
      </Button>
    </div>
  )
}
