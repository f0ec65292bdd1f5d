import { X } from 'lucide-react'
import { type ClipboardEvent, type KeyboardEvent, useId, useRef, useState } from 'react'
import type { AddressInput } from '../../data/types.ts'
import { t } from '../../i18n/index.ts'
import { addAddresses, formatAddress, isAddress, parseAddresses } from './recipients.ts'

interface FieldProps {
  readonly label: string
  readonly value: readonly AddressInput[]
  readonly onChange: (value: readonly AddressInput[]) => void
  readonly autoFocus?: boolean
  readonly error?: string | undefined
}

/** People as chips. Tab, Enter, comma, semicolon and leaving the field make one; Backspace opens the last again. */
export function RecipientField({ label, value, onChange, autoFocus, error }: FieldProps) {
  const [text, setText] = useState('')
  const field = useRef<HTMLInputElement>(null)
  const id = useId()
  const commit = (typed: string) => {
    setText('')
    const more = parseAddresses(typed)
    if (more.length > 0) onChange(addAddresses(value, more))
  }
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    // An input method is composing: Enter and comma are its own.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return
    const ends = [',', ';', 'Enter'].includes(event.key) && !event.ctrlKey && !event.metaKey
    const inQuotes = text.split('"').length % 2 === 0
    if (ends && text.trim() !== '' && !(inQuotes && event.key !== 'Enter')) {
      event.preventDefault()
      commit(text)
    } else if (event.key === 'Enter') {
      event.preventDefault()
      // Ctrl+Enter sends: what is typed here goes along.
      commit(text)
    } else if (event.key === 'Backspace' && text === '') {
      const last = value.at(-1)
      if (!last) return
      event.preventDefault()
      onChange(value.slice(0, -1))
      setText(formatAddress(last))
    }
  }
  const onPaste = (event: ClipboardEvent) => {
    const pasted = event.clipboardData.getData('text/plain')
    if (!/[,;\n]/.test(pasted)) return
    event.preventDefault()
    commit(`${text}${pasted}`)
  }
  const edit = (chip: AddressInput) => {
    onChange(value.filter((each) => each !== chip))
    setText(formatAddress(chip))
    field.current?.focus()
  }
  return (
    <div className="recipient-field">
      <label htmlFor={id}>{label}</label>
      <div className="chips">
        {value.map((chip) => {
          const good = isAddress(chip.address)
          return (
            <span key={chip.address} className={`chip ${good ? '' : 'bad'}`} title={formatAddress(chip)}>
              <button type="button" className="chip-text" onClick={() => edit(chip)}>
                {chip.name || chip.address}
              </button>
              <button
                type="button"
                className="chip-x"
                aria-label={t('removeRecipient', { address: chip.address })}
                onClick={() => onChange(value.filter((each) => each !== chip))}
              >
                <X size={12} aria-hidden="true" />
              </button>
            </span>
          )
        })}
        <input
          ref={field}
          id={id}
          type="text"
          inputMode="email"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          // biome-ignore lint/a11y/noAutofocus: a new message starts with whom it is for
          autoFocus={autoFocus}
          value={text}
          aria-invalid={error !== undefined}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
          onBlur={() => {
            if (text.trim() !== '') commit(text)
          }}
        />
      </div>
    </div>
  )
}
