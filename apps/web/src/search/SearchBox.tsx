import { CircleHelp, Search, X } from 'lucide-react'
import { type SubmitEvent, useEffect, useRef, useState } from 'react'
import { HOME, navigate, type Route } from '../app/router.ts'
import { type TextKey, t, useLanguage } from '../i18n/index.ts'
import { useCommand } from '../keyboard/dispatcher.ts'
import { IconButton } from '../ui/Button.tsx'

const operators: readonly (readonly [TextKey, TextKey])[] = [
  ['opWords', 'opWordsText'],
  ['opPhrase', 'opPhraseText'],
  ['opNot', 'opNotText'],
  ['opOr', 'opOrText'],
  ['opFrom', 'opFromText'],
  ['opSubject', 'opSubjectText'],
  ['opHas', 'opHasText'],
  ['opIs', 'opIsText'],
  ['opIn', 'opInText'],
  ['opDate', 'opDateText'],
  ['opSize', 'opSizeText'],
]

export function SearchBox({ at }: { readonly at: Route }) {
  useLanguage()
  const query = at.page === 'search' ? at.query : ''
  const [text, setText] = useState(query)
  const [help, setHelp] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  const box = useRef<HTMLFormElement>(null)
  useEffect(() => setText(query), [query])
  useCommand('search', () => {
    field.current?.focus()
    field.current?.select()
  })
  useEffect(() => {
    if (!help) return
    const outside = (event: PointerEvent) => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) setHelp(false)
    }
    document.addEventListener('pointerdown', outside)
    return () => document.removeEventListener('pointerdown', outside)
  }, [help])

  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    setHelp(false)
    const wanted = text.trim()
    if (wanted === '') return
    navigate({ page: 'search', query: wanted, messageId: undefined })
    field.current?.blur()
  }
  const clear = () => {
    setText('')
    if (at.page === 'search') navigate(HOME)
    field.current?.focus()
  }
  const insert = (operator: string) => {
    setText((now) => `${now.trim()} ${operator}`.trim())
    setHelp(false)
    field.current?.focus()
  }
  return (
    <search className="search">
      <form ref={box} onSubmit={submit} className="search-box">
        <Search size={16} strokeWidth={1.75} aria-hidden="true" />
        <input
          ref={field}
          type="search"
          enterKeyHint="search"
          aria-label={t('searchMail')}
          aria-keyshortcuts="/"
          placeholder={t('searchMail')}
          autoComplete="off"
          spellCheck={false}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            // Enter that ends a Hangul syllable is not a search yet.
            if (event.key === 'Enter' && (event.nativeEvent.isComposing || event.keyCode === 229))
              event.preventDefault()
            else if (event.key === 'Escape') {
              event.stopPropagation()
              if (help) setHelp(false)
              else field.current?.blur()
            }
          }}
        />
        {text !== '' && <IconButton icon={X} label={t('clearSearch')} onClick={clear} />}
        {text === '' && <kbd>/</kbd>}
        <IconButton icon={CircleHelp} label={t('searchHelp')} aria-expanded={help} onClick={() => setHelp(!help)} />
        {help && (
          <div className="search-help">
            <h2>{t('searchHelp')}</h2>
            <ul>
              {operators.map(([operator, explained]) => (
                <li key={operator}>
                  <button type="button" onClick={() => insert(t(operator))}>
                    <code>{t(operator)}</code>
                    <span>{t(explained)}</span>
                  </button>
                </li>
              ))}
            </ul>
          </div>
        )}
      </form>
    </search>
  )
}
