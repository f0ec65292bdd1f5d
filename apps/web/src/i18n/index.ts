// Texts by key. `{name}` is filled in; "one|other" is chosen by {n}.

import { preferences, usePreferences } from '../data/preferences.ts'
import { en } from './en.ts'
import { ko } from './ko.ts'

export type TextKey = keyof typeof en
export type Texts = Record<TextKey, string>
type Values = Readonly<Record<string, string | number>>

const dictionaries: Record<'en' | 'ko', Texts> = { en, ko }

export function t(key: TextKey, values?: Values): string {
  const { language } = preferences()
  let text = dictionaries[language][key]
  if (!values) return text
  const forms = text.split('|')
  if (forms.length > 1) text = forms[values['n'] === 1 ? 0 : 1] ?? text
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name]
    return typeof value === 'number' ? value.toLocaleString(language) : (value ?? '')
  })
}

/** Makes a component follow the language. */
export const useLanguage = (): 'en' | 'ko' => usePreferences().language
