import { Archive, FolderInput, Mail, MailOpen, MousePointerClick, Star, Trash2 } from 'lucide-react'
import { useDesk } from '../../app/context.ts'
import { t } from '../../i18n/index.ts'
import { keyLabel, spell } from '../../keyboard/keymap.ts'
import { Button } from '../../ui/Button.tsx'
import { tickNone } from '../list/selection.ts'
import { movePicker } from '../MovePicker.tsx'

/** The reader with nothing in it: four keys to start with, or what to do with the ticked messages. */
export function NothingOpen({ ids }: { readonly ids: readonly string[] }) {
  const { actions } = useDesk()
  if (ids.length > 0) {
    return (
      <div className="nothing-open">
        <h2>{t('selectedTitle', { n: ids.length })}</h2>
        <div className="bulk-grid">
          <Button icon={Archive} onClick={() => actions.archive(ids)}>
            {t('archive')}
          </Button>
          <Button icon={Trash2} onClick={() => actions.trash(ids)}>
            {t('delete')}
          </Button>
          <Button icon={FolderInput} onClick={() => movePicker.set(ids)}>
            {t('move')}
          </Button>
          <Button icon={Star} onClick={() => actions.toggleStar(ids)}>
            {t('star')}
          </Button>
          <Button icon={MailOpen} onClick={() => actions.markRead(ids, true)}>
            {t('markRead')}
          </Button>
          <Button icon={Mail} onClick={() => actions.markRead(ids, false)}>
            {t('markUnread')}
          </Button>
        </div>
        <Button look="quiet" onClick={tickNone}>
          {t('clearSelection')}
        </Button>
      </div>
    )
  }
  return (
    <div className="nothing-open">
      <span className="empty-icon">
        <MousePointerClick size={28} strokeWidth={1.5} aria-hidden="true" />
      </span>
      <h2>{t('selectConversation')}</h2>
      <dl className="key-hints">
        <Hint keys={[spell('j'), spell('k')]} text={t('hintMove')} />
        <Hint keys={[keyLabel('open')]} text={t('hintOpen')} />
        <Hint keys={[keyLabel('archive')]} text={t('hintArchive')} />
        <Hint keys={[keyLabel('help')]} text={t('hintHelp')} />
      </dl>
    </div>
  )
}

function Hint({ keys, text }: { readonly keys: readonly string[]; readonly text: string }) {
  return (
    <div>
      <dt>
        {keys.map((key) => (
          <kbd key={key}>{key}</kbd>
        ))}
      </dt>
      <dd>{text}</dd>
    </div>
  )
}
