// The one line that a list shows under the subject.

const MAX = 200
/** Quotation marks, the line that introduces a quotation, and rules made of signs. */
const QUOTED = /^\s*(?:>|\|)/
const ATTRIBUTION =
  /^(?:on .{4,200} wrote:|am .{4,200} schrieb.{0,100}:|le .{4,200} a écrit ?:|.{4,100} (?:wrote|writes|said|schrieb|escribió|skrev|schreef):|.{4,200}(?:님이 작성|さんは書きました)[:：]|-{3,}\s?(?:original message|forwarded message|ursprüngliche nachricht|message d'origine|원본 메시지).*)$/i
const RULE = /^[\s\-_=*#~.+|<>]*$/
/** Signs that preheaders are padded with and that have no width. */
const INVISIBLE =
  /(?:\u034f|[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff])+/g

/** At most 200 characters of one line: without quoted lines and signature when something else is there. */
export function snippetOf(text: string): string {
  const head = text.slice(0, 20_000)
  const kept: string[] = []
  let length = 0
  for (const line of head.split('\n')) {
    if (/^-- ?\r?$/.test(line)) break
    const short = line.length > 1000 ? line.slice(0, 1000) : line
    if (QUOTED.test(short) || RULE.test(short) || isAttribution(short.trim())) continue
    kept.push(short)
    length += short.length
    if (length > 4 * MAX) break
  }
  const own = oneLine(kept.join(' '))
  return shorten(own === '' ? oneLine(head.slice(0, 2000).replace(/^[>|\s]+/gm, '')) : own)
}

/** Few lines end in a colon or begin with dashes: only those are worth the pattern. */
function isAttribution(line: string): boolean {
  return (line.endsWith(':') || line.endsWith('：') || line.startsWith('---')) && ATTRIBUTION.test(line)
}

function oneLine(text: string): string {
  return text.replace(INVISIBLE, '').replace(/\s+/g, ' ').trim()
}

function shorten(text: string): string {
  if (text.length <= MAX) return text
  const cut = text
    .slice(0, MAX - 1)
    .toWellFormed()
    .replace(/\ufffd$/, '')
  const space = cut.lastIndexOf(' ')
  return `${space > MAX / 2 ? cut.slice(0, space) : cut}…`
}
