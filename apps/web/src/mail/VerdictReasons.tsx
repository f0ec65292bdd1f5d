// What the filter held against a message, as items of a list. What spoke for it is left out.
import type { Verdict } from '../data/types.ts'
import { t, useLanguage } from '../i18n/index.ts'
import { reasonText } from '../i18n/reasons.ts'

export function VerdictReasons({ reasons }: Pick<Verdict, 'reasons'>) {
  const language = useLanguage()
  return reasons
    .filter(({ score }) => score >= 0)
    .map((reason) => (
      <li key={`${reason.engine}/${reason.rule}`}>
        <span>{reasonText(language, reason)}</span>
        <small>{t('verdictPoints', { n: Math.round(reason.score * 10) / 10 })}</small>
      </li>
    ))
}
