// HTML mail to plain text for search and snippets. A small tokenizer of our own: no tree is built, nothing is fetched,
// and any input, however broken, costs time linear in its length.
import { decodeEntities } from './html-entities.ts'

/** Elements whose content is never text. */
const SKIPPED: ReadonlySet<string> = new Set(['script', 'style', 'title', 'template', 'noframes', 'iframe', 'object'])
/** Elements that stand on lines of their own, and how many line ends part them from what is around. */
const BLOCKS: Readonly<Record<string, number>> = {
  p: 2,
  h1: 2,
  h2: 2,
  h3: 2,
  h4: 2,
  h5: 2,
  h6: 2,
  ul: 2,
  ol: 2,
  dl: 2,
  table: 1,
  blockquote: 2,
  pre: 2,
  hr: 1,
  div: 1,
  tr: 1,
  li: 1,
  dt: 1,
  dd: 1,
  section: 1,
  article: 1,
  header: 1,
  footer: 1,
  main: 1,
  nav: 1,
  aside: 1,
  address: 1,
  center: 1,
  form: 1,
  fieldset: 1,
  figure: 1,
  figcaption: 1,
  option: 1,
  caption: 1,
  body: 1,
}
/** Deepest quotation that is still marked with one `>` for each level. */
const MAX_QUOTE = 5

/** Text of an HTML document: blocks on their own lines, quotations marked with `>`, images by their `alt`. Stops near `limit` characters. */
export function htmlToText(html: string, limit = Number.POSITIVE_INFINITY): string {
  const out = new TextLines()
  let at = 0
  let preDepth = 0
  let quoteDepth = 0
  let commentsEnd = true
  while (at < html.length && out.length < limit) {
    const open = html.indexOf('<', at)
    const textEnd = open === -1 ? html.length : open
    if (textEnd > at) out.text(decodeEntities(html.slice(at, Math.min(textEnd, at + limit))), preDepth > 0)
    if (open === -1) break
    const next = html.charCodeAt(open + 1)
    if (next === 0x21 && html.startsWith('--', open + 2) && commentsEnd) {
      // `<!-->` and `<!--->` are complete comments.
      const quick = html.startsWith('>', open + 4) ? open + 5 : html.startsWith('->', open + 4) ? open + 6 : -1
      const end = quick !== -1 ? quick : html.indexOf('-->', open + 4)
      if (end !== -1) {
        at = quick !== -1 ? quick : end + 3
        continue
      }
      commentsEnd = false
    }
    if (next === 0x21 || next === 0x3f) {
      at = after(html, '>', open)
      continue
    }
    const closing = next === 0x2f
    const nameFrom = closing ? open + 2 : open + 1
    if (!isLetter(html.charCodeAt(nameFrom))) {
      if (closing) at = after(html, '>', open)
      else {
        out.text('<', preDepth > 0)
        at = open + 1
      }
      continue
    }
    let nameEnd = nameFrom
    while (nameEnd < html.length && nameEnd - nameFrom < 20 && isNamePart(html.charCodeAt(nameEnd))) nameEnd++
    const name = html.slice(nameFrom, nameEnd).toLowerCase()
    const end = tagEnd(html, nameEnd)
    if (!closing && SKIPPED.has(name)) {
      at = endOfElement(html, name, end)
      continue
    }
    if (name === 'br') out.breakLine()
    else if (name === 'img' && !closing) {
      const alt = attribute(html.slice(nameEnd, Math.min(end, nameEnd + 4096)), 'alt')
      if (alt !== undefined) out.text(decodeEntities(alt), false)
    } else if (name === 'td' || name === 'th') out.text(' ', false)
    else {
      const gap = Object.hasOwn(BLOCKS, name) ? BLOCKS[name] : undefined
      if (gap !== undefined) {
        out.block(gap)
        if (name === 'pre') preDepth = Math.max(0, preDepth + (closing ? -1 : 1))
        else if (name === 'blockquote') {
          quoteDepth = Math.max(0, quoteDepth + (closing ? -1 : 1))
          out.quote(Math.min(quoteDepth, MAX_QUOTE))
        }
      }
    }
    at = end
  }
  return out.end()
}

function after(html: string, mark: string, from: number): number {
  const at = html.indexOf(mark, from)
  return at === -1 ? html.length : at + 1
}

function isLetter(code: number): boolean {
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x7a
}

function isNamePart(code: number): boolean {
  return isLetter(code) || (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x3a
}

/** After the `>` that ends a tag; one inside a quoted attribute value does not count, unless the quote never closes. */
function tagEnd(html: string, from: number): number {
  for (let at = from; at < html.length; at++) {
    const code = html.charCodeAt(at)
    if (code === 0x3e) return at + 1
    if ((code === 0x22 || code === 0x27) && beforeValue(html, at)) {
      const close = html.indexOf(code === 0x22 ? '"' : "'", at + 1)
      // A tag of more than 64 KiB is a forgotten quote.
      if (close === -1 || close - at > 65536) return after(html, '>', at)
      at = close
    }
  }
  return html.length
}

function beforeValue(html: string, at: number): boolean {
  let before = at - 1
  while (before > 0 && at - before < 10 && html.charCodeAt(before) <= 0x20) before--
  return html.charCodeAt(before) === 0x3d
}

/** After `</name …>`; the document's end when that never comes. */
function endOfElement(html: string, name: string, from: number): number {
  const close = new RegExp(`</${name}`, 'gi')
  close.lastIndex = from
  const found = close.exec(html)
  return found === null ? html.length : after(html, '>', found.index)
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(`\\s${name}\\s?=\\s?(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+))`, 'i').exec(tag)
  return found === null ? undefined : (found[1] ?? found[2] ?? found[3])
}

/** Collects text, collapsing white space and line ends as a browser would show them. */
class TextLines {
  length = 0
  readonly #pieces: string[] = []
  #breaks = 0
  #space = false
  #quote = 0
  #lastQuote = 0
  #empty = true

  text(text: string, keepSpace: boolean): void {
    if (keepSpace) {
      const lines = text.replace(/\r\n?/g, '\n').split('\n')
      for (const [i, line] of lines.entries()) {
        if (i > 0) this.breakLine()
        if (line !== '') this.#put(line)
      }
      return
    }
    const collapsed = text.replace(/[ \t\r\n\f\u00a0]+/g, ' ')
    const begins = collapsed.startsWith(' ')
    const trimmed = collapsed.trim()
    if (trimmed === '') {
      this.#space ||= begins
      return
    }
    this.#space ||= begins
    this.#put(trimmed)
    this.#space = collapsed.endsWith(' ')
  }

  breakLine(): void {
    this.#breaks = Math.min(this.#breaks + 1, 2)
    this.#space = false
  }

  block(gap: number): void {
    this.#breaks = Math.max(this.#breaks, gap)
    this.#space = false
  }

  quote(depth: number): void {
    this.#quote = depth
  }

  end(): string {
    return this.#pieces.join('')
  }

  #put(text: string): void {
    const prefix = this.#quote > 0 ? `${'>'.repeat(this.#quote)} ` : ''
    let before = ''
    if (this.#empty) before = prefix
    else if (this.#breaks > 0) {
      // An empty line between two depths of quotation belongs to the lesser.
      const gap = '>'.repeat(Math.min(this.#quote, this.#lastQuote))
      before = (this.#breaks > 1 ? `\n${gap}\n` : '\n') + prefix
    } else if (this.#space) before = ' '
    this.#pieces.push(before + text)
    this.length += before.length + text.length
    this.#breaks = 0
    this.#lastQuote = this.#quote
    this.#space = false
    this.#empty = false
  }
}
