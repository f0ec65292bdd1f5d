// Why a message is in Junk, or was held: one line, and the filter's reasons when asked.
import { ShieldAlert } from 'lucide-react'
import { useId, useState } from 'react'
import type { Verdict } from '../../data/types.ts'
import { t, useLanguage } from '../../i18n/index.ts'
import { useCommand } from '../../keyboard/dispatcher.ts'
import { Button } from '../../ui/Button.tsx'
import { VerdictReasons } from '../VerdictReasons.tsx'

export function VerdictBanner({ verdict, isMain }: { readonly verdict: Verdict; readonly isMain: boolean }) {
  const [open, setOpen] = useState(false)
  const id = useId()
  useLanguage()
  const shown = verdict.action === 'junk' || verdict.action === 'quarantine'
  useCommand('why', () => setOpen(!open), isMain && shown)
  if (!shown) return null
  const junk = verdict.action === 'junk'
  return (
    <div className="banner verdict" role="status">
      <ShieldAlert size={16} strokeWidth={1.75} aria-hidden="true" />
      <span>{t(junk ? 'verdictJunk' : 'verdictHeld')}</span>
      <Button look="quiet" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
        {t(junk ? 'whyJunk' : 'whyHeld')}
      </Button>
      {open && (
        <ul id={id} className="verdict-reasons">
          <VerdictReasons reasons={verdict.reasons} />
          {junk && <li>{t('verdictHelp')}</li>}
        </ul>
      )}
    </div>
  )
}
