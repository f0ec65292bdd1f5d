// A message's HTML in a frame that can do nothing: the server's page, an opaque origin, and words only by postMessage.

import { useEffect, useRef, useState } from 'react'
import { usePreferences } from '../../data/preferences.ts'
import { press } from '../../keyboard/dispatcher.ts'

const SANDBOX = 'allow-scripts allow-popups allow-popups-to-escape-sandbox'
const TALLEST = 60_000
const CHANGES_PER_SECOND = 20

interface BridgeKey {
  readonly key: string
  readonly code?: string
  readonly ctrlKey?: boolean
  readonly metaKey?: boolean
  readonly altKey?: boolean
  readonly shiftKey?: boolean
}

interface BridgeMessage {
  readonly type: 'everpost-body'
  readonly height?: number
  readonly key?: string | BridgeKey
  readonly linkHover?: string | null
}

export function BodyFrame({ url, title }: { readonly url: string; readonly title: string }) {
  const frame = useRef<HTMLIFrameElement>(null)
  const [height, setHeight] = useState<number>()
  const [link, setLink] = useState('')
  usePreferences()

  useEffect(() => {
    let recent: number[] = []
    const onMessage = (event: MessageEvent) => {
      // Only our own frame's words count, and they are a stranger's: numbers are clamped, floods ignored.
      if (event.source === null || event.source !== frame.current?.contentWindow || !isBridge(event.data)) return
      const { height: wanted, key, linkHover } = event.data
      if (typeof wanted === 'number' && Number.isFinite(wanted)) {
        const now = performance.now()
        recent = recent.filter((at) => now - at < 1000)
        if (recent.length < CHANGES_PER_SECOND) {
          recent.push(now)
          setHeight(Math.max(24, Math.min(TALLEST, Math.ceil(wanted))))
        }
      }
      if (linkHover !== undefined) setLink(typeof linkHover === 'string' ? linkHover.slice(0, 300) : '')
      if (key !== undefined) press(asKey(key), frame.current)
    }
    window.addEventListener('message', onMessage)
    return () => window.removeEventListener('message', onMessage)
  }, [])

  return (
    <div className={`body-frame ${height === undefined ? 'waiting' : ''}`}>
      <iframe
        ref={frame}
        src={url}
        title={title}
        sandbox={SANDBOX}
        referrerPolicy="no-referrer"
        // Until the page tells its height it gets a guess, so that it is readable even if it never does.
        style={{ height: height ?? 320 }}
      />
      {link && <div className="link-hover">{link}</div>}
    </div>
  )
}

const isBridge = (data: unknown): data is BridgeMessage =>
  typeof data === 'object' && data !== null && (data as { type?: unknown }).type === 'everpost-body'

function asKey(key: string | BridgeKey) {
  const given: BridgeKey = typeof key === 'string' ? { key } : key
  return {
    key: String(given.key).slice(0, 20),
    code: String(given.code ?? '').slice(0, 20),
    ctrlKey: given.ctrlKey === true,
    metaKey: given.metaKey === true,
    altKey: given.altKey === true,
    shiftKey: given.shiftKey === true,
  }
}
