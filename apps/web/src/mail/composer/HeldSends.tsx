// "Message sent · Undo", with the seconds that are left, for as long as the server holds the message.

import { X } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useDesk } from '../../app/context.ts'
import { useAtom } from '../../data/atom.ts'
import { t } from '../../i18n/index.ts'
import { keyLabel } from '../../keyboard/keymap.ts'
import { IconButton } from '../../ui/Button.tsx'
import { forgetHeld, type HeldSend, heldSends, secondsLeft, takeBack } from './held.ts'

const TICK_MS = 250

export function HeldSends() {
  const all = useAtom(heldSends)
  return all.map((held) => <HeldBox key={held.submissionId} held={held} />)
}

function HeldBox({ held }: { readonly held: HeldSend }) {
  const desk = useDesk()
  const [left, setLeft] = useState(() => secondsLeft(held))
  const [first] = useState(left)
  useEffect(() => {
    const timer = setInterval(() => {
      const now = secondsLeft(held)
      if (now > 0) setLeft(now)
      else forgetHeld(held)
    }, TICK_MS)
    return () => clearInterval(timer)
  }, [held])
  return (
    <div className="toast held-send">
      <span>{t('messageSent')}</span>
      {/* Read out once, not every second. */}
      <span className="sr-only">{t('undoSendFor', { n: first })}</span>
      <span className="held-left" aria-hidden="true">
        {t('secondsLeft', { n: left })}
      </span>
      <button
        type="button"
        className="toast-action"
        title={`${t('undo')} (${keyLabel('undo')})`}
        onClick={() => void takeBack(held, desk)}
      >
        {t('undo')}
      </button>
      <IconButton icon={X} label={t('close')} onClick={() => forgetHeld(held)} />
    </div>
  )
}
