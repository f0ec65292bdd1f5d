import { X } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useMailbox } from '../../app/context.ts'
import { loadHistory } from '../../data/details.ts'
import type { HistoryEntry } from '../../data/types.ts'
import { t } from '../../i18n/index.ts'
import { useCommand } from '../../keyboard/dispatcher.ts'
import { Button, IconButton } from '../../ui/Button.tsx'
import { clientTitle, fullDate } from '../../ui/format.ts'

/** Everything that ever happened to a message, newest first; grows while it is open. */
export function HistoryDrawer({ messageId, onClose }: { readonly messageId: string; readonly onClose: () => void }) {
  const message = useMailbox((mailbox) => mailbox.message(messageId))
  const [entries, setEntries] = useState<readonly HistoryEntry[]>()
  const [failed, setFailed] = useState(false)
  const [round, setRound] = useState(0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: a changed message has a new entry
  useEffect(() => {
    const controller = new AbortController()
    setFailed(false)
    loadHistory(messageId, controller.signal).then(setEntries, () => {
      if (!controller.signal.aborted) setFailed(true)
    })
    return () => controller.abort()
  }, [messageId, message, round])
  useCommand('escape', onClose)
  return (
    <aside className="drawer" aria-label={t('historyTitle')}>
      <header>
        <div>
          <h2>{t('historyTitle')}</h2>
          {entries && <small>{t('historyCount', { n: entries.length })}</small>}
        </div>
        <IconButton icon={X} label={t('close')} onClick={onClose} />
      </header>
      {failed && (
        <div className="banner bad" role="alert">
          <span>{t('historyFailed')}</span>
          <Button look="quiet" onClick={() => setRound(round + 1)}>
            {t('retry')}
          </Button>
        </div>
      )}
      {!entries && !failed && <p className="drawer-note">{t('loading')}</p>}
      <ol>
        {entries
          ?.toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at) || Number(b.position) - Number(a.position))
          .map((entry) => (
            <li key={entry.eventId}>
              <span className="history-summary">{entry.summary}</span>
              <span className="history-actor">
                {t('historyVia', {
                  actor: entry.actor,
                  via: [entry.via, entry.clientName && clientTitle(entry.clientName), entry.clientAddress]
                    .filter(Boolean)
                    .join(' '),
                })}
              </span>
              <span className="history-when">
                <time dateTime={entry.at}>{fullDate(entry.at)}</time>
                <code title={entry.eventId}>
                  {entry.type} #{entry.position}
                </code>
              </span>
            </li>
          ))}
      </ol>
    </aside>
  )
}
