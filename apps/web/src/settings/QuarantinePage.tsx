// Settings → Quarantine: mail that the filter holds, why, and what to do with it.
import { MailCheck, Trash2 } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { useDesk } from '../app/context.ts'
import { toast } from '../app/toasts.ts'
import { t, useLanguage } from '../i18n/index.ts'
import { VerdictReasons } from '../mail/VerdictReasons.tsx'
import { Button } from '../ui/Button.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { fileSize, fullDate } from '../ui/format.ts'
import '../styles/settings-page.css'
import '../styles/quarantine.css'
import { drop, HELD_SHOWN, type HeldMail, loadQuarantine, release } from './quarantine.ts'

interface Asked {
  readonly what: 'release' | 'drop'
  readonly mail: HeldMail
}

const subjectOf = (mail: HeldMail): string => mail.subject.trim() || t('noSubject')

export default function QuarantinePage() {
  useLanguage()
  const { mailbox } = useDesk()
  const [held, setHeld] = useState<readonly HeldMail[]>()
  const [failed, setFailed] = useState<string>()
  const [tries, setTries] = useState(0)
  const [more, setMore] = useState(false)
  const [asked, setAsked] = useState<Asked>()
  const [busy, setBusy] = useState(false)
  const heading = useRef<HTMLHeadingElement>(null)

  // biome-ignore lint/correctness/useExhaustiveDependencies: every try loads again
  useEffect(() => {
    document.title = `${t('quarantine')} · Everpost`
    const abort = new AbortController()
    setFailed(undefined)
    loadQuarantine(abort.signal).then(
      (found) => {
        setHeld(found)
        setMore(found.length >= HELD_SHOWN)
      },
      (error: Error) => {
        if (!abort.signal.aborted) setFailed(error.message)
      },
    )
    return () => abort.abort()
  }, [tries])

  const act = async ({ what, mail }: Asked) => {
    if (busy) return
    setBusy(true)
    try {
      await (what === 'release' ? release(mail.id) : drop(mail.id))
      setHeld((now) => now?.filter(({ id }) => id !== mail.id))
      toast(t(what === 'release' ? 'heldReleased' : 'heldDropped'))
    } catch (error) {
      toast(t('commandFailed', { reason: (error as Error).message }), { tone: 'bad' })
    } finally {
      setBusy(false)
      setAsked(undefined)
      // What was pressed is gone with its message: the keyboard goes on from the top.
      requestAnimationFrame(() => {
        if (document.activeElement === document.body) heading.current?.focus()
      })
    }
  }

  return (
    <div className="settings-page quarantine-page">
      <header>
        <h1 ref={heading} tabIndex={-1}>
          {t('quarantine')}
        </h1>
        <p>{t('quarantineWhat')}</p>
      </header>
      {failed !== undefined && (
        <div className="banner bad" role="alert">
          <span>{failed}</span>
          <Button onClick={() => setTries(tries + 1)}>{t('retry')}</Button>
        </div>
      )}
      {held === undefined && failed === undefined && <p>{t('loading')}</p>}
      {held?.length === 0 && <p className="quarantine-empty">{t(more ? 'quarantineMore' : 'quarantineNone')}</p>}
      {held && held.length > 0 && (
        <ul aria-label={t('quarantine')}>
          {held.map((mail) => (
            <HeldItem
              key={mail.id}
              mail={mail}
              releasable={!mail.verdict.malware || mailbox.account.role === 'ADMIN'}
              onAsk={(what) => setAsked({ what, mail })}
            />
          ))}
        </ul>
      )}
      {more && held && held.length > 0 && <p>{t('quarantineMore')}</p>}
      {asked && (
        <Dialog
          title={t(asked.what === 'release' ? 'heldReleaseAsk' : 'heldDropAsk', { subject: subjectOf(asked.mail) })}
          onClose={() => setAsked(undefined)}
        >
          <p>{t(asked.what === 'release' ? 'heldReleaseText' : 'heldDropText')}</p>
          <div className="dialog-buttons">
            <Button onClick={() => setAsked(undefined)}>{t('cancel')}</Button>
            <Button
              look={asked.what === 'release' ? 'primary' : 'danger'}
              disabled={busy}
              onClick={() => void act(asked)}
            >
              {t(asked.what === 'release' ? 'heldRelease' : 'heldDrop')}
            </Button>
          </div>
        </Dialog>
      )}
    </div>
  )
}

interface HeldItemProps {
  readonly mail: HeldMail
  readonly releasable: boolean
  readonly onAsk: (what: Asked['what']) => void
}

function HeldItem({ mail, releasable, onAsk }: HeldItemProps) {
  useLanguage()
  const subject = subjectOf(mail)
  return (
    <li>
      <h2>{subject}</h2>
      <p>
        {mail.from || mail.mailFrom || t('noSender')} ·{' '}
        <time dateTime={mail.receivedAt}>{fullDate(mail.receivedAt)}</time> · {fileSize(mail.size)}
      </p>
      <h3>{t('whyHeld')}</h3>
      <ul className="quarantine-reasons">
        {mail.verdict.malware && <li className="malware">{t('heldMalware')}</li>}
        <VerdictReasons reasons={mail.verdict.reasons} />
      </ul>
      {!releasable && <p>{t('heldMalwareAdmin')}</p>}
      <div className="quarantine-bar">
        {releasable && (
          <Button icon={MailCheck} aria-label={`${t('heldRelease')}: ${subject}`} onClick={() => onAsk('release')}>
            {t('heldRelease')}
          </Button>
        )}
        <Button icon={Trash2} look="danger" aria-label={`${t('heldDrop')}: ${subject}`} onClick={() => onAsk('drop')}>
          {t('heldDrop')}
        </Button>
      </div>
    </li>
  )
}
