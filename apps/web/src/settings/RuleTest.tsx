import { type FormEvent, useState } from 'react'
import { useMailbox } from '../app/context.ts'
import { toast } from '../app/toasts.ts'
import { preferences } from '../data/preferences.ts'
import { t } from '../i18n/index.ts'
import { folderTitle } from '../mail/folders/names.ts'
import { Button } from '../ui/Button.tsx'
import { type Tested, testRules } from './rules.ts'

/** What the script would have done to the newest messages of a folder. */
export function RuleTest({ script }: { readonly script: string }) {
  const folders = useMailbox((mailbox) => mailbox.folders)
  const [folderId, setFolderId] = useState(folders.find(({ role }) => role === 'INBOX')?.id ?? folders[0]?.id ?? '')
  const [last, setLast] = useState(20)
  const [tested, setTested] = useState<readonly Tested[] | undefined>()
  const [busy, setBusy] = useState(false)
  const run = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    try {
      const { problems, messages } = await testRules(script, folderId, last)
      setTested(problems.length > 0 ? undefined : messages)
      const [first] = problems
      if (first)
        toast(`${t('rulesPlace', { line: first.line, column: first.column })}: ${first.message}`, { tone: 'bad' })
    } catch (error) {
      toast((error as Error).message, { tone: 'bad' })
    } finally {
      setBusy(false)
    }
  }
  return (
    <section className="rule-test">
      <h2>{t('rulesTest')}</h2>
      <p>{t('rulesTestWhat')}</p>
      <form onSubmit={(event) => void run(event)}>
        <label>
          {t('rulesFolder')}
          <select value={folderId} onChange={(event) => setFolderId(event.target.value)}>
            {folders.map((folder) => (
              <option key={folder.id} value={folder.id}>
                {folderTitle(folder)}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t('rulesLast')}
          <input
            type="number"
            min={1}
            max={100}
            value={last}
            onChange={(event) => setLast(Math.max(1, Math.min(100, event.target.valueAsNumber || 1)))}
          />
        </label>
        <Button type="submit" disabled={busy || script.trim() === ''}>
          {t('rulesRun')}
        </Button>
      </form>
      <div role="status" aria-busy={busy}>
        {tested?.length === 0 && <p>{t('rulesNothing')}</p>}
        {tested !== undefined && tested.length > 0 && (
          <table>
            <thead>
              <tr>
                <th scope="col">{t('rulesMessage')}</th>
                <th scope="col">{t('rulesWould')}</th>
              </tr>
            </thead>
            <tbody>
              {tested.map((each) => (
                <TestedRow key={each.message.id} tested={each} />
              ))}
            </tbody>
          </table>
        )}
      </div>
    </section>
  )
}

function TestedRow({ tested: { message, actions, problem } }: { readonly tested: Tested }) {
  const [from] = message.from
  const date = new Date(message.receivedAt).toLocaleDateString(preferences().language)
  return (
    <tr>
      <td>
        <strong>{message.subject || '–'}</strong>
        <small>
          {from?.name || from?.address} · {date}
        </small>
      </td>
      <td>
        {actions.map(({ action, line, detail, flags, note }) => (
          <p key={`${line} ${action} ${detail}`}>
            {t(`action${action}`, { detail: detail ?? '' })}
            {flags.length > 0 && ` (${flags.join(' ')})`}
            <small>{[line === null ? '' : t('rulesLine', { line }), note ?? ''].filter(Boolean).join(' · ')}</small>
          </p>
        ))}
        {problem && <p className="wrong">{t('rulesFailed', { line: problem.line, message: problem.message })}</p>}
      </td>
    </tr>
  )
}
