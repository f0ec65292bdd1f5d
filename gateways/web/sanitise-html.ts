// HTML of mail made safe to show: an allow-list of tags, attributes and style properties; nothing that runs, submits, or loads
// from elsewhere unasked.
import sanitizeHtml from 'sanitize-html'

/** Raised whenever the same HTML gives other output: cached bodies are kept under it. */
export const SANITISER_VERSION = 1
/** Longer HTML is cut: newsletters are below 200,000 characters. */
export const MAX_HTML = 1_000_000

export interface SanitiseOptions {
  /** Keep images that lie on other servers. */
  readonly remoteImages: boolean
  /** Address of the part with a Content-ID; undefined when the message has none that may be shown. */
  readonly partUrl: (contentId: string) => string | undefined
}

export interface SanitisedHtml {
  readonly html: string
  /** Pictures on other servers, shown or not; invisible counting pixels are always dropped and not counted. */
  readonly remoteImages: number
}

const TAGS = [
  ...['a', 'abbr', 'acronym', 'address', 'article', 'aside', 'b', 'bdi', 'bdo', 'big', 'blockquote', 'br', 'caption'],
  ...['center', 'cite', 'code', 'col', 'colgroup', 'dd', 'del', 'details', 'dfn', 'dir', 'div', 'dl', 'dt', 'em'],
  ...['figcaption', 'figure', 'font', 'footer', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'header', 'hr', 'i', 'img', 'ins'],
  ...['kbd', 'li', 'main', 'mark', 'nav', 'ol', 'p', 'pre', 'q', 'rp', 'rt', 'ruby', 's', 'samp', 'section', 'small'],
  ...[
    'span',
    'strike',
    'strong',
    'sub',
    'summary',
    'sup',
    'table',
    'tbody',
    'td',
    'tfoot',
    'th',
    'thead',
    'time',
    'tr',
  ],
  ...['tt', 'u', 'ul', 'var', 'wbr'],
]
const ATTRIBUTES = {
  '*': ['align', 'bgcolor', 'dir', 'height', 'lang', 'style', 'title', 'valign', 'width'],
  a: ['href', 'rel', 'target'],
  blockquote: ['type'],
  col: ['span'],
  colgroup: ['span'],
  details: ['open'],
  font: ['color', 'face', 'size'],
  hr: ['color', 'noshade', 'size'],
  img: ['alt', 'border', 'hspace', 'src', 'vspace'],
  li: ['type', 'value'],
  ol: ['reversed', 'start', 'type'],
  table: ['border', 'cellpadding', 'cellspacing', 'frame', 'rules', 'summary'],
  td: ['abbr', 'colspan', 'headers', 'nowrap', 'rowspan', 'scope'],
  th: ['abbr', 'colspan', 'headers', 'nowrap', 'rowspan', 'scope'],
  time: ['datetime'],
  ul: ['type'],
}
/** Tags that go with everything in them. */
const WITH_CONTENT = [
  ...['script', 'style', 'title', 'template', 'textarea', 'option', 'noscript', 'noembed', 'noframes', 'iframe'],
  ...['object', 'applet', 'svg', 'math', 'xmp', 'plaintext', 'select', 'audio', 'video', 'canvas'],
]
const PROPERTIES =
  /^(?:background|background-color|background-image|background-position|background-repeat|background-size|border(?:-[a-z]+){0,3}|box-sizing|caption-side|clear|color|direction|display|empty-cells|float|font|font-(?:family|size|style|variant|weight|stretch)|height|letter-spacing|line-height|list-style(?:-type|-position)?|margin(?:-[a-z]+)?|max-(?:height|width)|min-(?:height|width)|mso-hide|opacity|outline|overflow-wrap|padding(?:-[a-z]+)?|table-layout|text-(?:align|align-last|decoration|decoration-[a-z]+|indent|overflow|transform)|unicode-bidi|vertical-align|visibility|white-space|width|word-(?:break|spacing|wrap)|writing-mode)$/
const DISPLAY =
  /^(?:block|inline|inline-block|none|table|inline-table|table-(?:row|cell|row-group|header-group|footer-group|column|column-group|caption)|list-item|flex|inline-flex)$/
const RASTER_DATA =
  /^data:image\/(?:png|jpe?g|gif|webp|avif|bmp|x-icon|vnd\.microsoft\.icon);base64,[A-Za-z0-9+/=\s]{1,1000000}$/i

type Attributes = Record<string, string>

export function sanitiseHtml(html: string, options: SanitiseOptions): SanitisedHtml {
  const images = new Images(options)
  const safe = sanitizeHtml(flatten(html.slice(0, MAX_HTML)), {
    allowedTags: TAGS,
    allowedAttributes: ATTRIBUTES,
    disallowedTagsMode: 'discard',
    nonTextTags: WITH_CONTENT,
    allowedSchemes: ['http', 'https', 'mailto', 'tel'],
    allowedSchemesByTag: { img: ['http', 'https', 'data'] },
    allowedSchemesAppliedToAttributes: ['href', 'src'],
    allowProtocolRelative: false,
    enforceHtmlBoundary: false,
    parseStyleAttributes: false,
    nestingLimit: 250,
    transformTags: {
      '*': (tagName, given) => ({ tagName, attribs: rewrite(tagName, given, images) }),
    },
  })
  return { html: safe, remoteImages: images.remote.size }
}

/**
 * Without the opening tags that would nest deeper than any honest mail: the parser's time grows with the square of the depth.
 * What counts as a tag here need not be exact, since all of it is parsed and sanitised afterwards.
 */
function flatten(html: string): string {
  let depth = 0
  return html.replace(/<(\/?)([a-z][^\s/>]{0,30})/gi, (tag, slash: string, name: string) => {
    if (VOID.has(name.toLowerCase())) return tag
    if (slash !== '') {
      depth = Math.max(0, depth - 1)
      return tag
    }
    return ++depth > MAX_DEPTH ? `&lt;${name}` : tag
  })
}

const MAX_DEPTH = 2000
const VOID = new Set([
  'area',
  'base',
  'br',
  'col',
  'embed',
  'hr',
  'img',
  'input',
  'link',
  'meta',
  'p',
  'li',
  'source',
  'track',
  'wbr',
])

function rewrite(tag: string, given: Attributes, images: Images): Attributes {
  const attributes: Attributes = {}
  for (const [name, value] of Object.entries(given)) if (!name.startsWith('on')) attributes[name] = value
  if (tag === 'a') linkOut(attributes)
  if (tag === 'img') images.image(attributes)
  if (given['poster']) images.allow(given['poster'])
  const background = given['background']
  const style = attributes['style'] === undefined ? '' : cleanStyle(attributes['style'], images)
  const backdrop = background === undefined ? undefined : images.allow(background)
  const picture = backdrop === undefined ? '' : `background-image:url("${backdrop}")`
  const styles = [picture, style].filter((each) => each !== '').join(';')
  if (styles === '') delete attributes['style']
  else attributes['style'] = styles
  for (const name of ['bgcolor', 'color', 'align', 'valign', 'width', 'height', 'dir', 'lang']) {
    const value = attributes[name]
    if (value !== undefined && !/^[\w#%.,() -]{1,60}$/.test(value)) delete attributes[name]
  }
  return attributes
}

/** Links open elsewhere and say nothing of where they were; what is not a link to the web, mail or phone is none. */
function linkOut(attributes: Attributes): void {
  const href = (attributes['href'] ?? '').replace(/[\x00-\x20\x7f]+/g, '')
  if (!/^(?:https?:\/\/|mailto:|tel:)/i.test(href)) {
    delete attributes['href']
    return
  }
  attributes['href'] = href
  attributes['target'] = '_blank'
  attributes['rel'] = 'noreferrer noopener'
}

class Images {
  readonly remote = new Set<string>()
  readonly #options: SanitiseOptions
  constructor(options: SanitiseOptions) {
    this.#options = options
  }

  image(attributes: Attributes): void {
    const written = attributes['src'] ?? attributes['srcset']?.trim().split(/[\s,]/)[0]
    delete attributes['src']
    delete attributes['srcset']
    if (written === undefined || isPixel(attributes)) return
    const src = this.allow(written)
    if (src !== undefined) attributes['src'] = src
  }

  /** The address to load a picture from; undefined when it may not be loaded. */
  allow(written: string): string | undefined {
    const url = written.replace(/[\x00-\x20\x7f]+/g, '')
    if (/^cid:/i.test(url)) return this.#options.partUrl(decodeText(url.slice(4)))
    if (RASTER_DATA.test(url)) return url
    if (!/^(?:https?:)?\/\/[^/]/i.test(url) || url.length > 4000) return undefined
    const parsed = URL.parse(url, 'https://invalid.invalid')
    if (parsed === null || parsed.hostname === 'invalid.invalid') return undefined
    // Frames allow pictures over TLS only.
    parsed.protocol = 'https:'
    parsed.username = ''
    parsed.password = ''
    const address = parsed.href.replace(/["'()\\<>]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)
    this.remote.add(address)
    return this.#options.remoteImages ? address : undefined
  }
}

const isPixel = (attributes: Attributes): boolean =>
  ['0', '1', '2'].includes(attributes['width']?.replace(/px$/, '') ?? '') &&
  ['0', '1', '2'].includes(attributes['height']?.replace(/px$/, '') ?? '')

function decodeText(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Declarations of the allow-list; a value with anything but plain words, numbers, colours and allowed pictures goes. */
export function cleanStyle(style: string, images: Pick<Images, 'allow'>): string {
  const kept: string[] = []
  const plain = style.length > 10_000 ? '' : style.replace(/\/\*[\s\S]*?(?:\*\/|$)/g, ' ')
  for (const declaration of splitDeclarations(plain)) {
    const colon = declaration.indexOf(':')
    const property = declaration.slice(0, colon).trim().toLowerCase()
    const value = declaration.slice(colon + 1).trim()
    if (colon < 1 || value === '' || !PROPERTIES.test(property)) continue
    const clean = cleanValue(property, value, images)
    if (clean !== '') kept.push(`${property}:${clean}`)
  }
  return kept.join(';')
}

function cleanValue(property: string, value: string, images: Pick<Images, 'allow'>): string {
  let url: string | undefined
  let rest = value
  if (/^background(?:-image)?$/.test(property)) {
    rest = value.replace(/url\(\s*(?:"([^"]*)"|'([^']*)'|([^)'"]*))\s*\)/gi, (_all, double, single, bare) => {
      url ??= images.allow(String(double ?? single ?? bare ?? ''))
      return ' '
    })
  }
  if (
    /[\\<>{}@;\x00-\x1f\x7f]|url|expression|javascript|vbscript|behaviou?r|binding|import|image-set|element\(|attr\(|var\(|env\(/i.test(
      rest,
    )
  )
    return ''
  if (rest.length > 300) return ''
  if (property === 'display' && !DISPLAY.test(rest.replace(/\s*!important$/i, '').toLowerCase())) return ''
  rest = rest.replace(/\s+/g, ' ').trim()
  if (url === undefined) return rest
  return rest === '' ? `url("${url}")` : `url("${url}") ${rest}`
}

/** At semicolons that are in no quotes and no brackets. */
function splitDeclarations(style: string): readonly string[] {
  const declarations: string[] = []
  let from = 0
  let quote = ''
  let depth = 0
  for (let at = 0; at < style.length; at++) {
    const char = style[at] as string
    if (quote !== '') quote = char === quote ? '' : quote
    else if (char === '"' || char === "'") quote = char
    else if (char === '(') depth++
    else if (char === ')') depth--
    else if (char === ';' && depth <= 0) {
      declarations.push(style.slice(from, at))
      from = at + 1
    }
  }
  declarations.push(style.slice(from))
  return declarations
}
