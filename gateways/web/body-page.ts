// GET /body/{token}: the HTML of one message as a page for a sandboxed frame, under a policy of its own.
import { randomBytes } from 'node:crypto'

/** Says its height, passes keys on, and names the link under the pointer; the page around it checks who speaks. */
const BRIDGE = `(()=>{const post=m=>parent.postMessage({type:'everpost-body',...m},'*');let last=-1;
const size=()=>{const h=Math.ceil(Math.max(document.documentElement.offsetHeight,document.body.scrollHeight));if(h!==last){last=h;post({height:h})}};
new ResizeObserver(size).observe(document.body);addEventListener('load',size,true);addEventListener('toggle',size,true);size();
addEventListener('keydown',e=>{if(e.isComposing||e.keyCode===229)return;
post({key:{key:e.key,code:e.code,shiftKey:e.shiftKey,ctrlKey:e.ctrlKey,metaKey:e.metaKey,altKey:e.altKey}});
if(!e.ctrlKey&&!e.metaKey&&!e.altKey&&e.key.length===1)e.preventDefault()});
let over=null;addEventListener('mouseover',e=>{const a=e.target.closest&&e.target.closest('a[href]');const href=a?a.href:null;
if(href!==over){over=href;post({linkHover:href})}});addEventListener('mouseleave',()=>{if(over!==null){over=null;post({linkHover:null})}})})()`

const STYLE = `:root{color-scheme:light}html,body{margin:0;background:#fff;color:#15181e;overflow:hidden}
body{padding:8px 0;font:15px/24px system-ui,-apple-system,"Segoe UI Variable","Apple SD Gothic Neo","Malgun Gothic","Noto Sans KR",sans-serif;overflow-wrap:anywhere}
img{max-width:100%}table{max-width:100%}pre{white-space:pre-wrap}blockquote[type=cite]{margin:0 0 0 8px;padding-left:12px;border-left:2px solid #dce0e6}`

export interface BodyPage {
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

/** `origin` is this server's own, such as `https://mail.example.org`: inside the sandbox 'self' names nothing. */
export function bodyPage(body: string, origin: string, remoteImages: boolean): BodyPage {
  const nonce = randomBytes(16).toString('base64')
  return {
    html: `<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Message</title><style>${STYLE}</style></head><body>${body}<script nonce="${nonce}">${BRIDGE}</script></body></html>`,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; style-src 'unsafe-inline'; img-src ${origin} data:${remoteImages ? ' https:' : ''}; font-src 'none'; script-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox`,
      'x-frame-options': 'SAMEORIGIN',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, max-age=300',
    },
  }
}
