import { X } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useAtom } from '../data/atom.ts'
import { t } from '../i18n/index.ts'
import { HeldSends } from '../mail/composer/HeldSends.tsx'
import { IconButton } from '../ui/Button.tsx'
import { dismiss, type Toast, toasts } from './toasts.ts'

const SHOWN_MS = 8000
const SHOWN_PLAIN_MS = 4000

export function Toasts() {
  const all = useAtom(toasts)
  return (
    <div className="toasts" role="status" aria-live="polite">
      <HeldSends />
      {all.map((each) => (
        <ToastBox key={each.id} toast={each} />
      ))}
    </div>
  )
}

function ToastBox({ toast }: { readonly toast: Toast }) {
  const [held, setHeld] = useState(false)
  useEffect(() => {
    if (held) return
    const long = toast.action || toast.tone === 'bad'
    const timer = setTimeout(() => dismiss(toast.id), long ? SHOWN_MS : SHOWN_PLAIN_MS)
    return () => clearTimeout(timer)
  }, [held, toast])
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: resting the pointer or the focus on it keeps it
    <div
      className={`toast ${toast.tone}`}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <span>{toast.text}</span>
      {toast.action && (
        <button
          type="button"
          className="toast-action"
          onClick={() => {
            dismiss(toast.id)
            toast.action?.run()
          }}
        >
          {toast.action.label}
        </button>
      )}
      <IconButton icon={X} label={t('close')} onClick={() => dismiss(toast.id)} />
    </div>
  )
}
