// Messages being written. Each is kept in this browser as it is typed and on the server as a draft.

import { toast } from '../../app/toasts.ts'
import { atom } from '../../data/atom.ts'
import type { Details } from '../../data/details.ts'
import type { Mailbox } from '../../data/mailbox.ts'
import type { AddressInput, MessageDetail } from '../../data/types.ts'
import { t } from '../../i18n/index.ts'
import { answerRecipients, answerSubject, forwardText, replyText } from './quoting.ts'

export interface DraftFile {
  readonly key: string
  readonly filename: string
  readonly type: string
  readonly size: number
  readonly state: 'uploading' | 'done' | 'failed'
  /** 0 to 1. */
  readonly progress: number
  /** The server's id of an upload. */
  readonly uploadId?: string
  /** A part of a stored message, sent along without coming through the browser. */
  readonly part?: { readonly messageId: string; readonly section: string }
}

export interface Draft {
  readonly id: string
  /** The message in Drafts that this was last saved as. */
  readonly serverId: string | undefined
  readonly kind: 'new' | 'reply' | 'forward'
  readonly to: readonly AddressInput[]
  readonly cc: readonly AddressInput[]
  readonly bcc: readonly AddressInput[]
  readonly subject: string
  readonly text: string
  readonly files: readonly DraftFile[]
  readonly inReplyTo: string | undefined
  readonly forwardOf: string | undefined
  /** Makes a repeated send the same command; new after every edit. */
  readonly commandId: string
}

export interface OpenDraft {
  readonly draft: Draft
  readonly size: 'docked' | 'minimised' | 'full'
}

const MOST_OPEN = 3
export const composers = atom<readonly OpenDraft[]>([])

export const newDraft = (part: Partial<Draft> = {}): Draft => ({
  id: crypto.randomUUID(),
  serverId: undefined,
  kind: 'new',
  to: [],
  cc: [],
  bcc: [],
  subject: '',
  text: '',
  files: [],
  inReplyTo: undefined,
  forwardOf: undefined,
  commandId: crypto.randomUUID(),
  ...part,
})

export function openComposer(draft: Draft): void {
  composers.set((now) => {
    const others = now.filter((each) => each.draft.id !== draft.id)
    // The newest is docked; the others step aside, and none is lost: all are kept as they are typed.
    const aside = others.slice(-(MOST_OPEN - 1)).map((each) => ({ ...each, size: 'minimised' as const }))
    return [...aside, { draft, size: 'docked' }]
  })
}

export function updateDraft(id: string, change: Partial<Draft> | ((draft: Draft) => Partial<Draft>)): void {
  composers.set((now) =>
    now.map((each) => {
      if (each.draft.id !== id) return each
      const made = typeof change === 'function' ? change(each.draft) : change
      return { ...each, draft: { ...each.draft, ...made } }
    }),
  )
}

export function resizeComposer(id: string, size: OpenDraft['size']): void {
  composers.set((now) =>
    now.map((each) => {
      if (each.draft.id === id) return { ...each, size }
      return size === 'minimised' || each.size === 'minimised' ? each : { ...each, size: 'minimised' }
    }),
  )
}

export const closeComposer = (id: string): void => composers.set((now) => now.filter((each) => each.draft.id !== id))

export async function compose(
  kind: 'reply' | 'reply-all' | 'forward',
  messageId: string,
  details: Details,
  mailbox: Mailbox,
): Promise<void> {
  try {
    const message = await details.load(messageId)
    openComposer(kind === 'forward' ? forward(message) : reply(message, kind === 'reply-all', mailbox.account.address))
  } catch (error) {
    toast(error instanceof Error ? error.message : t('bodyFailed'), { tone: 'bad' })
  }
}

function reply(message: MessageDetail, all: boolean, own: string): Draft {
  return newDraft({
    kind: 'reply',
    ...answerRecipients(message, all, own),
    subject: answerSubject(message.subject, 'reply'),
    text: replyText(message),
    inReplyTo: message.id,
  })
}

const partsOf = (message: MessageDetail): DraftFile[] =>
  message.attachments
    .filter((each) => !each.inline)
    .map((each) => ({
      key: each.section,
      filename: each.filename || t('unnamed'),
      type: each.type,
      size: each.size,
      state: 'done',
      progress: 1,
      part: { messageId: message.id, section: each.section },
    }))

function forward(message: MessageDetail): Draft {
  return newDraft({
    kind: 'forward',
    subject: answerSubject(message.subject, 'forward'),
    text: forwardText(message),
    files: partsOf(message),
    forwardOf: message.id,
  })
}

export const drafts = {
  /** Goes on writing a message that is in Drafts. */
  async openStored(messageId: string, details: Details): Promise<void> {
    const open = composers.get().find((each) => each.draft.serverId === messageId)
    if (open) {
      resizeComposer(open.draft.id, 'docked')
      return
    }
    try {
      const message = await details.load(messageId)
      const people = (list: MessageDetail['to']) =>
        list.map(({ name, address }) => (name ? { name, address } : { address }))
      openComposer(
        newDraft({
          serverId: message.id,
          to: people(message.to),
          cc: people(message.cc),
          subject: message.subject,
          text: message.text,
          files: partsOf(message),
        }),
      )
    } catch (error) {
      toast(error instanceof Error ? error.message : t('bodyFailed'), { tone: 'bad' })
    }
  },
}

const keyOf = (account: string, id: string) => `everpost.draft.${account}.${id}`

/** Keeps a draft in this browser; files that are still on their way are not part of it. */
export function keepLocally(account: string, draft: Draft): boolean {
  try {
    const files = draft.files.filter((each) => each.state === 'done')
    localStorage.setItem(keyOf(account, draft.id), JSON.stringify({ ...draft, files }))
    return true
  } catch {
    return false
  }
}

export function forgetLocally(account: string, id: string): void {
  try {
    localStorage.removeItem(keyOf(account, id))
  } catch {
    // Nothing was kept there either.
  }
}

/** Drafts that were open when the tab went away. */
export function reopenKept(account: string): void {
  try {
    const prefix = keyOf(account, '')
    for (const key of Object.keys(localStorage)
      .filter((each) => each.startsWith(prefix))
      .slice(-MOST_OPEN)) {
      const kept = JSON.parse(localStorage.getItem(key) ?? 'null') as Draft | null
      if (kept) openComposer(newDraft(kept))
    }
  } catch {
    // Storage that cannot be read holds nothing to bring back.
  }
}
