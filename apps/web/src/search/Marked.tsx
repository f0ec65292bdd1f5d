import type { Fragment as TextFragment } from '../data/types.ts'

/** Text with the matches marked. */
export function Marked({ fragments }: { readonly fragments: readonly TextFragment[] }) {
  let at = 0
  return fragments.map((fragment) => {
    const key = at
    at += fragment.text.length + 1
    return fragment.match ? <mark key={key}>{fragment.text}</mark> : <span key={key}>{fragment.text}</span>
  })
}
