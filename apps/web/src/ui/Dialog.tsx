import { type ReactNode, useEffect, useId, useRef } from 'react'

interface DialogProps {
  readonly title: string
  readonly onClose: () => void
  readonly children: ReactNode
  readonly className?: string
  /** False when it must be answered. */
  readonly dismissible?: boolean
}

/** A modal: the browser keeps the focus inside, closes on Esc and gives the focus back. */
export function Dialog({ title, onClose, children, className, dismissible = true }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null)
  const heading = useId()
  useEffect(() => {
    const before = document.activeElement
    const dialog = ref.current
    dialog?.showModal()
    return () => {
      dialog?.close()
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Esc closes it; the click is only the backdrop
    <dialog
      ref={ref}
      className={`dialog ${className ?? ''}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault()
        if (dismissible) onClose()
      }}
      onClick={(event) => {
        if (dismissible && event.target === ref.current) onClose()
      }}
    >
      <div className="dialog-inside">
        <h2 id={heading}>{title}</h2>
        {children}
      </div>
    </dialog>
  )
}
