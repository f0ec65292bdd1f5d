import { useMemo, useState } from 'react'
import { t } from '../../i18n/index.ts'
import { useCommand } from '../../keyboard/dispatcher.ts'
import { linkify, splitQuote } from './text.ts'

/** A plain-text body: readable type, links that can be followed, the quoted end folded away. */
export function PlainText({ text, isMain }: { readonly text: string; readonly isMain: boolean }) {
  const { body, quote } = useMemo(() => splitQuote(text), [text])
  const [shown, setShown] = useState(false)
  useCommand('quote', () => setShown(!shown), isMain && quote !== '')
  if (text.trim() === '') return <p className="plain-text no-body">{t('emptyBody')}</p>
  return (
    <div className="plain-text">
      <Lines text={body} />
      {quote !== '' && (
        <>
          <button
            type="button"
            className="quote-toggle"
            aria-expanded={shown}
            aria-label={shown ? t('hideQuote') : t('showQuote')}
            onClick={() => setShown(!shown)}
          >
            •••
          </button>
          {shown && (
            <div className="quoted">
              <Lines text={quote} />
            </div>
          )}
        </>
      )}
    </div>
  )
}

function Lines({ text }: { readonly text: string }) {
  let at = 0
  return linkify(text).map((piece) => {
    const key = at
    at += piece.text.length + 1
    if (piece.href === undefined) return <span key={key}>{piece.text}</span>
    return (
      <a key={key} href={piece.href} target="_blank" rel="noreferrer noopener">
        {piece.text}
      </a>
    )
  })
}
