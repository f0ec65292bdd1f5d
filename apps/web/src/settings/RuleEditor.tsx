import { useEffect, useId, useRef, useState } from 'react'
import { t } from '../i18n/index.ts'
import { checkRules, type Problem } from './rules.ts'

/** Milliseconds without a key before a script is checked. */
const PAUSE = 400

interface RuleEditorProps {
  readonly script: string
  readonly onChange: (script: string) => void
  readonly onSave: () => void
}

/** A script with numbered lines, checked while it is written; each problem leads to its place. */
export function RuleEditor({ script, onChange, onSave }: RuleEditorProps) {
  const text = useRef<HTMLTextAreaElement>(null)
  const gutter = useRef<HTMLPreElement>(null)
  const list = useId()
  const [problems, setProblems] = useState<readonly Problem[]>([])

  useEffect(() => {
    const abort = new AbortController()
    const timer = setTimeout(() => {
      checkRules(script, abort.signal).then(setProblems, () => undefined)
    }, PAUSE)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [script])

  const goTo = ({ line, column }: Problem) => {
    const lines = script.split('\n')
    const at = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0) + column - 1
    text.current?.focus()
    text.current?.setSelectionRange(at, at)
  }
  const wrong = new Set(problems.map(({ line }) => line))
  const count = script.split('\n').length
  return (
    <div className="rule-editor">
      <div className="rule-text">
        <pre ref={gutter} aria-hidden="true">
          {Array.from({ length: count }, (_, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a line is its number
            <span key={i} className={wrong.has(i + 1) ? 'wrong' : ''}>{`${i + 1}\n`}</span>
          ))}
        </pre>
        <textarea
          ref={text}
          value={script}
          aria-label={t('rulesScript')}
          aria-describedby={list}
          aria-invalid={problems.length > 0}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          wrap="off"
          onChange={(event) => onChange(event.target.value)}
          onScroll={(event) => {
            if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop
          }}
          onKeyDown={(event) => {
            if (event.key !== 's' || !(event.ctrlKey || event.metaKey)) return
            event.preventDefault()
            onSave()
          }}
        />
      </div>
      <div className="rule-problems" id={list} role="status">
        {problems.length === 0 ? (
          <p className="fine">{script.trim() === '' ? '' : t('rulesFine')}</p>
        ) : (
          <>
            <p>{t('rulesProblems', { n: problems.length })}</p>
            <ul>
              {problems.map((problem) => (
                <li key={`${problem.line} ${problem.column} ${problem.message}`}>
                  <button type="button" onClick={() => goTo(problem)}>
                    <strong>{t('rulesPlace', { line: problem.line, column: problem.column })}</strong> {problem.message}
                  </button>
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
    </div>
  )
}
