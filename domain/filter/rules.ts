// What is known of unwanted mail before any training: points for the shape of header, text, links and parts.
import type { MailContent } from '../mail/structure.ts'
import { PHRASES } from './phrases.ts'
import { domainOf, type MailFacts, tagsOf } from './signals.ts'

export interface Hit {
  readonly rule: string
  /** Negative points speak for the message. Junk begins at about ten. */
  readonly points: number
  readonly text: string
}

const GTUBE = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'
export const GTUBE_POINTS = 1000

/** Characters of text that the phrases are looked for in. */
const PHRASE_TEXT = 8000

/** Every rule that a message meets. Pure and total; costs are bounded by the limits of `facts` and of the text. */
export function heuristics(facts: MailFacts, mail: MailContent): readonly Hit[] {
  const hits: Hit[] = []
  const hit = (rule: string, points: number, text: string) => hits.push({ rule, points, text })
  if (mail.text.includes(GTUBE)) hit('gtube', GTUBE_POINTS, 'The test pattern for unwanted bulk mail')
  ofHeader(facts, mail, hit)
  ofSubject(facts, mail, hit)
  ofText(mail, hit)
  ofHtml(facts, mail, hit)
  ofLinks(facts, mail, hit)
  ofOrigin(facts, mail, hit)
  return hits
}

const TECHNICAL =
  /\b(?:diff|patch|bug|compile|kernel|perl|python|java|linux|unix|server|script|function|module|package|install|gcc|debian|redhat|cvs|config)\b/gi

type Report = (rule: string, points: number, text: string) => void

function ofHeader({ header }: MailFacts, mail: MailContent, hit: Report): void {
  const first = (name: string) => header.get(name)?.[0] ?? ''
  const { from, to, cc, replyTo } = mail.envelope
  const sender = from[0]
  const domain = domainOf(sender?.address)
  if (sender === undefined || sender.address === '') hit('no-from', 1.5, 'The From field names nobody')
  if (from.length > 1) hit('many-from', 1, 'The From field names several senders')
  const messageId = first('message-id')
  if (messageId === '') hit('no-message-id', 1.5, 'There is no Message-ID')
  else if (!/^<[^<>@\s]{1,900}@[^<>@\s]{1,255}>/.test(messageId))
    hit('bad-message-id', 1.5, 'The Message-ID is not one')
  if (!header.has('date')) hit('no-date', 1, 'There is no Date')
  else if (mail.envelope.date === undefined) hit('bad-date', 1.5, 'The Date cannot be read')
  if (to.length === 0 && cc.length === 0) hit('no-recipient', 1, 'No recipient is named')
  else if (/undisclosed|recipient|unlisted/i.test(first('to')) && !first('to').includes('@'))
    hit('undisclosed', 0.8, 'The recipients are hidden')
  if (/friend|customer|member|subscriber|undisclosed/i.test(to[0]?.name ?? ''))
    hit('to-anyone', 1.5, 'The recipient is called “friend” or the like')
  if (
    sender !== undefined &&
    to.some(({ address }) => address !== '' && address.toLowerCase() === sender.address.toLowerCase())
  )
    hit('to-self', 1, 'It pretends to be sent by its recipient')
  const local = (sender?.address ?? '').slice(0, (sender?.address ?? '').lastIndexOf('@'))
  if (/\d{3,}/.test(local)) hit('from-digits', 0.5, 'The sender’s address has many digits')
  else if (/[a-z]\d[a-z]+\d|\d[a-z]\d/i.test(local)) hit('from-noise', 1, 'The sender’s address looks made up')
  if (/[bcdfghjklmnpqrstvwxz]{6,}/i.test(local)) hit('from-unreadable', 1, 'The sender’s address looks made up')
  if (/^\s*$|^["']?\$|!|free|\bwin|offer|deal|sale|promo|market|casino|loan|money/i.test(sender?.name ?? 'x'))
    hit('from-advert', 0.8, 'The sender’s name advertises')
  const reply = replyTo[0]
  if (
    reply !== undefined &&
    domain !== '' &&
    domainOf(reply.address) !== domain &&
    !header.has('list-id') &&
    !header.has('mailing-list') &&
    first('precedence') === ''
  )
    hit('replies-elsewhere', 0.7, 'Answers go to another domain than the sender’s')
  const mailer = first('x-mailer')
  if (/outlook/i.test(mailer) && !/express|imo/i.test(mailer) && /^<[0-9a-z$.]+@/i.test(messageId) === false)
    hit('outlook-forged', 1.2, 'It says that it comes from Outlook, and does not')
  if (/outlook express/i.test(mailer) && !/^<[0-9a-f]{12}\$[0-9a-f]{8}\$[0-9a-f]{8}@/i.test(messageId))
    hit('express-forged', 1.8, 'It says that it comes from Outlook Express, and does not')
  if (header.has('x-msmail-priority') && !header.has('x-mimeole') && !header.has('x-mailer'))
    hit('priority-alone', 1, 'It has Outlook’s priority without Outlook’s other marks')
  if (
    /mass|bulk|blast|group ?mail|advanced direct|diffondi|smtp direct|postcast|emailer|stormpost|dmailer|aureate|floodgate|extractor|easy ?mail|unity/i.test(
      mailer,
    )
  )
    hit('bulk-mailer', 1.8, 'It was sent by a program for bulk mail')
  if (
    mailer !== '' &&
    /^[A-Za-z]{8,}$|^[\w]{12,}$|^\S*[a-z][A-Z][a-z]+[A-Z]\S*$/.test(mailer) &&
    !/outlook|evolution|mozilla|sylpheed|kmail|squirrel/i.test(mailer)
  )
    hit('mailer-noise', 1.2, 'The name of its mail program looks made up')
  if (/^[12]/.test(first('x-priority')) || /high/i.test(first('importance')))
    hit('high-priority', 0.8, 'It calls itself urgent')
  if (
    /%[A-Z_]+%|\$(?:NAME|EMAIL|RANDOM|FROM)|\{(?:name|email|first)/i.test(
      `${first('subject')} ${first('from')} ${first('to')}`,
    )
  )
    hit('template-left', 2.5, 'A placeholder of a bulk mailer was left in it')
  if (
    header.has('x-mailer') === false &&
    header.has('user-agent') === false &&
    header.has('mime-version') &&
    mail.root.type === 'text/html'
  )
    hit('anonymous-html', 0.8, 'HTML without a mail program’s name')
  if (/[\x80-\xff]/.test(first('from')) || /[\x80-\xff]/.test(first('subject')))
    hit('raw-bytes', 1, 'The header holds bytes that must be encoded')
  if (
    /\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)?,? ?\d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-](?:1[5-9]|[2-9]\d)\d\d/.test(
      first('date'),
    ) ||
    / -1[3-9]\d\d| \+1[5-9]\d\d/.test(first('date'))
  )
    hit('impossible-zone', 2, 'The Date has a time zone that is none')
  const mimeless = !header.has('mime-version') && (header.has('content-type') || mail.root.type === 'text/html')
  if (mimeless) hit('no-mime-version', 0.8, 'It is MIME without saying so')
  if (header.has('in-reply-to') && header.has('references')) hit('answers', -1.2, 'It answers an earlier message')
  else if (header.has('in-reply-to') || header.has('references')) hit('refers', -0.8, 'It refers to an earlier message')
  if (/^\s*-- ?$/m.test(mail.text) && mail.root.type === 'text/plain')
    hit('signature', -0.6, 'It is signed as people sign')
  if (/^>[^\n]{3,}\n>/m.test(mail.text) || /\bwrote:\s*$/m.test(mail.text))
    hit('quotes', -1.2, 'It quotes what it answers')
  if (
    /mutt|pine|kmail|evolution|gnus|exmh|mew|wanderlust|sylpheed|thunderbird|apple mail|apple-mail|squirrelmail|vm \d|mozilla.*(?:linux|sunos|x11)/i.test(
      `${mailer} ${first('user-agent')} ${messageId}`,
    )
  )
    hit('personal-program', -1, 'It was written in a program that people write with')
}

function ofSubject({ header }: MailFacts, mail: MailContent, hit: Report): void {
  const { subject } = mail.envelope
  if (subject.trim() === '') hit('no-subject', 0.6, 'There is no subject')
  const letters = subject.replace(/[^A-Za-z]/g, '')
  if (letters.length >= 8 && letters === letters.toUpperCase()) hit('subject-shouts', 1.5, 'The subject is in capitals')
  if (/!{2,}|\${2,}|\?{2,}|!\s*$/.test(subject)) hit('subject-exclaims', 0.8, 'The subject exclaims')
  if (
    /\s{5,}\S+$|\s[a-z]*\d+[a-z]+\d*[a-z]*$|\[\w{4,10}\]$|\b\d{4,}\s*$/i.test(subject) &&
    !/\d{4}$/.test(subject.trim())
  )
    hit('subject-tail', 1.2, 'A code hangs at the end of the subject')
  else if (/\s{5,}\S+$/.test(subject)) hit('subject-tail', 1.5, 'A code hangs at the end of the subject')
  if (
    /\$ ?\d|\d ?%|\bfree\b|\bcash\b|\bcheap\b|\bsave\b|\bwin\b|\bmoney\b|\bcredit\b|\bdebt\b|\bsex|\bloans?\b|\bearn\b|\bmillion|\bguarantee|\blowest\b|\bprofit|\bdiscount|\binvest/i.test(
      subject,
    )
  )
    hit('subject-sells', 1.3, 'The subject sells something')
  if (/\b(?:your|you)\b/i.test(subject) && !/^re:/i.test(subject)) hit('subject-you', 0.4, 'The subject speaks to you')
  if (/^re:/i.test(subject) && !header.has('in-reply-to') && !header.has('references'))
    hit('false-reply', 0.5, 'It pretends to be an answer')
  if (/\b\w(?:[ .*_-]\w){4,}\b/.test(subject)) hit('subject-spaced', 1.5, 'The letters of the subject stand apart')
}

function ofText(mail: MailContent, hit: Report): void {
  // Runs of one letter say no more than three of them, and are what makes patterns slow.
  const text = `${mail.envelope.subject}\n${mail.text.slice(0, PHRASE_TEXT)}`.replace(/(.)\1{3,}/g, '$1$1$1')
  for (const { rule, points, text: says, pattern } of PHRASES) if (pattern.test(text)) hit(rule, points, says)
  const letters = text.replace(/[^A-Za-z]/g, '').slice(0, 3000)
  const capitals = letters.replace(/[a-z]/g, '').length
  if (letters.length > 100 && capitals > letters.length * 0.4) hit('shouting', 1.5, 'Much of it is in capitals')
  else if (letters.length > 100 && capitals > letters.length * 0.2) hit('loud', 0.7, 'A good part of it is in capitals')
  const exclamations = text.split('!').length - 1
  if (exclamations >= 3 && exclamations * 120 > text.length) hit('exclaims', 1, 'It exclaims a lot')
  if (/\${3,}|!{3,}/.test(text)) hit('signs', 1, 'It is full of signs')
  const sums = text.match(/(?:\$|US\$|USD|€|£)\s?\d/g)?.length ?? 0
  if (sums >= 3) hit('sums', 1, 'It names many sums of money')
  else if (sums >= 1) hit('sum', 0.4, 'It names a sum of money')
  if (/\b1?[- (]?(?:800|888|877|866|900)[-). ]+\d{3}[-. ]\d{4}/.test(text))
    hit('toll-number', 0.8, 'It gives a sales telephone number')
  if (/(?:\b[a-z]{2,12}[0@1!|][a-z]{1,12} ){3,}/i.test(text) || /\b[a-z](?:[.*_-][a-z]){4,}\b/i.test(text))
    hit('disguised', 1.2, 'Its words are disguised')
  if (/\n\s*[a-z0-9]{12,}\s*$/i.test(mail.text.slice(-200))) hit('noise-at-end', 1, 'A code hangs at its end')
  if ((text.match(TECHNICAL)?.length ?? 0) >= 2) hit('technical', -1, 'It speaks of technical things')
}

function ofHtml({ html, links, hasPlainText }: MailFacts, mail: MailContent, hit: Report): void {
  if (html === '') return
  const lower = html.toLowerCase()
  if (!hasPlainText) hit('html-only', 1, 'It is HTML without a text version')
  else hit('html', 0.2, 'It is HTML')
  const shown = mail.text.replace(/\s+/g, '').length
  const images = lower.split('<img').length - 1
  if (images > 0 && shown < 200) hit('image-only', 1.8, 'It is a picture with hardly any text')
  if (shown * 12 < html.length && html.length > 2000) hit('little-text', 0.8, 'It is much markup around little text')
  if (/<form|<input/.test(lower)) hit('form', 0.5, 'It holds a form to fill in')
  if (/<script|<iframe|onload\s*=|javascript:/.test(lower)) hit('script', 0.5, 'It holds a program')
  if (/<(?:marquee|blink|bgsound|embed|object)/.test(lower)) hit('noisy', 1, 'It moves or makes noise')
  if (
    /font[^>]{0,80}size\s*=\s*["']?(?:\+[3-9]|[5-9])/.test(lower) ||
    /font-size\s*:\s*(?:[3-9]\d)(?:px|pt)/.test(lower)
  )
    hit('large-type', 0.8, 'It uses very large type')
  if (/color\s*[=:]\s*["']?(?:#?ff0000|red)\b/.test(lower)) hit('red', 0.7, 'It uses red type')
  if (
    /color\s*[=:]\s*["']?#?(?:fff|ffffff|white)\b/.test(lower) &&
    /bgcolor\s*=\s*["']?#?(?:fff|ffffff|white)\b/.test(lower)
  )
    hit('invisible', 0.2, 'Some of its text cannot be seen')
  if (/\w<!--[^>]{0,100}-->\w|\w<\/?[a-z]{5,20}\d*>\w|&#(?:\d{2,3});&#\d{2,3};&#\d{2,3};/.test(lower))
    hit('hidden-in-words', 1.5, 'Its words are cut by hidden markup')
  if (/display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*[01](?:px|pt)?\b/.test(lower))
    hit('hidden-text', 0.6, 'It hides text')
  if (/<center|align\s*=\s*["']?center/.test(lower)) hit('centred', 0.4, 'It is set like a poster')
  if (isTracked(lower)) hit('tracked', 0.1, 'It tells the sender when it is read')
  if (links.length >= 1 && images >= 1) hit('linked-images', 0.1, 'It shows pictures with links')
}

/** A picture of one pixel with an address of its own. */
function isTracked(html: string): boolean {
  for (const { tag } of tagsOf(html)) {
    if (
      tag.startsWith('<img') &&
      /\s(?:width|height)\s?=\s?["']?1\b/.test(tag) &&
      /https?:[^"'\s]{1,300}[?&=]/.test(tag)
    )
      return true
  }
  return false
}

function ofLinks({ links }: MailFacts, mail: MailContent, hit: Report): void {
  const hosts = new Set(links.map(({ host }) => host))
  for (const [, host = ''] of mail.text.matchAll(/https?:\/\/([^\s/:<>"')]{1,255})/gi))
    if (hosts.size < 100) hosts.add(host.toLowerCase())
  const list = [...hosts]
  if (list.some((host) => /^\d{1,3}(?:\.\d{1,3}){3}$|^\d{8,10}$|^0x/.test(host)))
    hit('link-number', 1.8, 'A link leads to a bare address')
  if (list.some((host) => /%[0-9a-f]{2}/i.test(host))) hit('link-encoded', 2, 'A link hides where it leads')
  if (list.some((host) => /\.(?:biz|info|xyz|top|click|loan|win|bid|icu|buzz|monster|tk|ml|ga|cf)$/.test(host)))
    hit('link-cheap', 0.6, 'A link leads to a domain of the cheap kind')
  if (list.some((host) => host.split('.').length >= 3 && /\d{2,}|[bcdfghjklmnpqrstvwxz]{6,}/.test(host)))
    hit('link-noise', 0.6, 'The name in a link looks made up')
  if (
    /https?:\/\/[^\s/]{1,255}:\d{2,5}\/|https?:\/\/[^\s/@]{1,200}@/i.test(mail.text) ||
    links.some(({ host }) => host.includes('@'))
  )
    hit('link-port', 1, 'A link is written in an unusual way')
  for (const { host, text } of links) {
    const shown = /^(?:https?:\/\/)?((?:[a-z0-9-]+\.)+[a-z]{2,})/i.exec(text)?.[1]?.toLowerCase()
    if (shown === undefined || host === '') continue
    const tail = (name: string) => name.split('.').slice(-2).join('.')
    if (tail(shown) !== tail(host)) {
      hit('link-lies', 0.5, 'A link shows another address than it leads to')
      break
    }
  }
  const attachments = mail.attachments.filter(({ inline }) => !inline)
  if (attachments.length > 0 && mail.text.trim().length < 40)
    hit('only-attachment', 0.6, 'It is an attachment with hardly a word')
}

/** Registered domain, nearly: the last two labels, three below `co.uk` and the like. */
const organisation = (host: string): string =>
  host
    .split('.')
    .slice(/\.(?:co|com|net|org|ac|gov|edu|or|ne|go)\.[a-z]{2}$/.test(host) ? -3 : -2)
    .join('.')

const FREE =
  /^(?:yahoo|hotmail|msn|aol|gmail|outlook|live|excite|lycos|netscape|juno|eudoramail|mail|email|usa|naver|hanmail|daum|163|126|sina|qq|gmx|web|libero|terra|uol|bol|btamail|yandex|rediff(?:mail)?|bigfoot|caramail|mailcity)\./

function ofOrigin({ header, links }: MailFacts, mail: MailContent, hit: Report): void {
  const domain = organisation(domainOf(mail.envelope.from[0]?.address))
  if (domain === '' || !domain.includes('.')) return
  const hosts = links.map(({ host }) => organisation(host)).filter((host) => host.includes('.'))
  for (const [, host = ''] of mail.text.matchAll(/(?:https?:\/\/|www\.)([^\s/:<>"')]{1,255})/gi))
    if (hosts.length < 300) hosts.push(organisation(host.toLowerCase()))
  const own = hosts.filter((host) => host === domain).length
  const free = FREE.test(domain)
  if (own > 0 && !free) hit('own-links', -0.8, 'It links to its sender’s own site')
  else if (hosts.length > 0 && free) hit('free-with-links', 0.8, 'It comes from a free address and links elsewhere')
  else if (hosts.length > 0 && own === 0) hit('links-elsewhere', 0.4, 'It links to other sites than its sender’s')
  const id = organisation((/@([^>\s]+)>/.exec(header.get('message-id')?.[0] ?? '')?.[1] ?? '').toLowerCase())
  if (id === domain) hit('own-id', -0.4, 'Its Message-ID is of its sender')
  else if (free) hit('free-forged', 0.8, 'It says that it comes from a provider, and was not made there')
  if (header.has('list-unsubscribe') || header.has('list-id'))
    hit('list', -0.3, 'It comes through a list that can be left')
}

/** Points of all rules together. */
export const pointsOf = (hits: readonly Hit[]): number => hits.reduce((sum, { points }) => sum + points, 0)
