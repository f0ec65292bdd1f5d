// A draft is in this browser 250 ms after a keystroke and on the server after a second's rest, at most every five.

import { useCallback, useEffect, useRef, useState } from 'react'
import { type Draft, forgetLocally, keepLocally, updateDraft } from './composers.ts'
import { isEmpty, saveDraft } from './sending.ts'

const LOCAL_MS = 250
const IDLE_MS = 1000
const SERVER_MS = 5000

export type SaveState =
  | { readonly kind: 'none' | 'local' | 'saving' | 'failed' }
  | { readonly kind: 'saved'; readonly at: Date }

export interface Autosave {
  readonly state: SaveState
  /** Saves what is not saved yet, after whatever is under way; answers the draft as it then is on the server. */
  flush(): Promise<Draft>
  /** Waits for a save under way and makes no other until `resume`; answers the draft as it is on the server. */
  hold(): Promise<Draft>
  resume(): void
}

/** What the person wrote, to tell edits from bookkeeping. */
const written = (draft: Draft): string =>
  JSON.stringify([
    draft.to,
    draft.cc,
    draft.bcc,
    draft.subject,
    draft.text,
    draft.files.map((each) => [each.key, each.state]),
  ])

export function useAutosave(account: string, draft: Draft): Autosave {
  const [state, setState] = useState<SaveState>({ kind: 'none' })
  const latest = useRef(draft)
  latest.current = draft
  const now = written(draft)
  const saved = useRef(now)
  const first = useRef(now)
  const under = useRef<Promise<void>>(Promise.resolve())
  const lastSave = useRef(0)
  const stopped = useRef(false)

  const save = useCallback(() => {
    under.current = under.current.then(async () => {
      const what = written(latest.current)
      if (stopped.current || what === saved.current || isEmpty(latest.current)) return
      lastSave.current = Date.now()
      setState({ kind: 'saving' })
      try {
        const serverId = await saveDraft(latest.current)
        saved.current = what
        latest.current = { ...latest.current, serverId }
        updateDraft(latest.current.id, { serverId })
        keepLocally(account, latest.current)
        setState({ kind: 'saved', at: new Date() })
      } catch {
        setState({ kind: 'failed' })
      }
    })
    return under.current
  }, [account])

  useEffect(() => {
    if (now === first.current || stopped.current) return
    const local = setTimeout(() => {
      if (stopped.current) return
      if (isEmpty(latest.current)) forgetLocally(account, latest.current.id)
      else if (keepLocally(account, latest.current)) {
        setState((state) => (state.kind === 'saving' ? state : { kind: 'local' }))
      }
    }, LOCAL_MS)
    const server = setTimeout(save, Math.max(IDLE_MS, lastSave.current + SERVER_MS - Date.now()))
    return () => {
      clearTimeout(local)
      clearTimeout(server)
    }
  }, [now, account, save])

  // The tab is going away: keep the last words.
  useEffect(() => {
    const onHide = () => {
      if (!stopped.current && written(latest.current) !== first.current) keepLocally(account, latest.current)
    }
    window.addEventListener('pagehide', onHide)
    return () => window.removeEventListener('pagehide', onHide)
  }, [account])

  return {
    state,
    async flush() {
      await save()
      return latest.current
    },
    async hold() {
      stopped.current = true
      await under.current
      return latest.current
    },
    resume() {
      stopped.current = false
    },
  }
}
