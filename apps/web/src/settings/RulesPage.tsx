// Settings → Filter rules: scripts, the one in force, an editor with checks, and the test mode.
import { Plus, Trash2 } from 'lucide-react'
import { useEffect, useState } from 'react'
import { toast } from '../app/toasts.ts'
import { t, useLanguage } from '../i18n/index.ts'
import { Button } from '../ui/Button.tsx'
import '../styles/settings-page.css'
import '../styles/rules.css'
import { RuleEditor } from './RuleEditor.tsx'
import { RuleTest } from './RuleTest.tsx'
import { activateRules, deleteRules, loadRules, type Rules, renameRules, saveRules } from './rules.ts'

const FIRST = 'require ["fileinto", "mailbox"];\n\nif header :contains "subject" "" {\n  keep;\n}\n'

/** What is being written. `saved` is its name on the server; undefined for new rules. */
interface Draft {
  readonly saved: string | undefined
  readonly name: string
  readonly script: string
}

const draftOf = ({ name, script }: Rules): Draft => ({ saved: name, name, script: script.replaceAll('\r\n', '\n') })

export default function RulesPage() {
  useLanguage()
  const [rules, setRules] = useState<readonly Rules[] | undefined>()
  const [draft, setDraft] = useState<Draft | undefined>()
  const [busy, setBusy] = useState(false)

  useEffect(() => {
    document.title = `${t('filterRules')} · Everpost`
    const abort = new AbortController()
    loadRules(abort.signal).then(
      (found) => {
        setRules(found)
        const shown = found.find(({ active }) => active) ?? found[0]
        setDraft((now) => now ?? (shown && draftOf(shown)))
      },
      (error: Error) => {
        if (!abort.signal.aborted) toast(error.message, { tone: 'bad' })
      },
    )
    return () => abort.abort()
  }, [])

  const stored = rules?.find(({ name }) => name === draft?.saved)
  const changed =
    draft !== undefined &&
    (stored === undefined || draft.name !== stored.name || draft.script !== stored.script.replaceAll('\r\n', '\n'))

  useEffect(() => {
    if (!changed) return
    const warn = (event: BeforeUnloadEvent) => event.preventDefault()
    window.addEventListener('beforeunload', warn)
    return () => window.removeEventListener('beforeunload', warn)
  }, [changed])

  /** Runs a change; answers whether it was done. */
  const run = async (change: () => Promise<{ rules: readonly Rules[]; problems: readonly { message: string }[] }>) => {
    setBusy(true)
    try {
      const answer = await change()
      setRules(answer.rules)
      const [problem] = answer.problems
      if (problem) toast(problem.message, { tone: 'bad' })
      return problem === undefined
    } catch (error) {
      toast((error as Error).message, { tone: 'bad' })
      return false
    } finally {
      setBusy(false)
    }
  }

  const choose = (next: Draft) => {
    if (changed && !window.confirm(t('rulesLeave'))) return
    setDraft(next)
  }
  const save = async () => {
    if (!draft || busy) return
    const name = draft.name.trim()
    const { saved, script } = draft
    if (saved !== undefined && saved !== name && !(await run(() => renameRules(saved, name)))) return
    // Saved under its new name already, should the script be wrong.
    setDraft({ saved: saved === undefined ? undefined : name, name, script })
    if (!(await run(() => saveRules(name, script)))) return
    setDraft({ saved: name, name, script })
    toast(t('rulesSaved'))
  }
  const remove = async ({ name }: Rules) => {
    if (!window.confirm(t('rulesDeleteAsk', { name }))) return
    if (await run(() => deleteRules(name))) setDraft(undefined)
  }

  return (
    <div className="settings-page rules-page">
      <header>
        <h1>{t('filterRules')}</h1>
        <p>{t('rulesWhat')}</p>
      </header>
      <div className="rules-list">
        {rules?.length === 0 && <p>{t('rulesNone')}</p>}
        <ul>
          {rules?.map((each) => (
            <li key={each.name} className={each.name === draft?.saved ? 'chosen' : ''}>
              <button
                type="button"
                className="rules-name"
                aria-current={each.name === draft?.saved ? 'true' : undefined}
                onClick={() => choose(draftOf(each))}
              >
                {each.name}
              </button>
              <button
                type="button"
                role="switch"
                className="rules-switch"
                aria-checked={each.active}
                aria-label={`${t('rulesInForce')}: ${each.name}`}
                disabled={busy}
                onClick={() => void run(() => activateRules(each.active ? null : each.name))}
              >
                {t('rulesInForce')}
              </button>
            </li>
          ))}
        </ul>
        <Button
          icon={Plus}
          onClick={() => choose({ saved: undefined, name: rules?.length === 0 ? 'main' : '', script: FIRST })}
        >
          {t('rulesNew')}
        </Button>
      </div>
      {draft && (
        <>
          <form
            className="rules-form"
            onSubmit={(event) => {
              event.preventDefault()
              void save()
            }}
          >
            <div className="rules-bar">
              <label>
                {t('rulesName')}
                <input
                  type="text"
                  required
                  maxLength={128}
                  value={draft.name}
                  onChange={(event) => setDraft({ ...draft, name: event.target.value })}
                />
              </label>
              {changed && <span className="rules-unsaved">{t('rulesUnsaved')}</span>}
              <Button type="submit" look="primary" disabled={busy || !changed || draft.name.trim() === ''}>
                {t('rulesSave')}
              </Button>
              {stored && !stored.active && (
                <Button icon={Trash2} look="danger" disabled={busy} onClick={() => void remove(stored)}>
                  {t('rulesDelete')}
                </Button>
              )}
            </div>
            <RuleEditor
              script={draft.script}
              onChange={(script) => setDraft({ ...draft, script })}
              onSave={() => void save()}
            />
          </form>
          <RuleTest script={draft.script} />
        </>
      )}
    </div>
  )
}
