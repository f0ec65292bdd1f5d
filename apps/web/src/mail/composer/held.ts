// Messages that were sent and still wait on the server: until they leave, each can be taken back and written on.

import type { Desk } from '../../app/context.ts'
import { toast } from '../../app/toasts.ts'
import { atom } from '../../data/atom.ts'
import { CANCEL_SEND } from '../../data/documents.ts'
import { graphql, serverNow } from '../../data/graphql.ts'
import { ANSWERED } from '../../data/types.ts'
import { t } from '../../i18n/index.ts'
import { type Draft, keepLocally, newDraft, openComposer } from './composers.ts'

export interface HeldSend {
  readonly submissionId: string
  /** The copy in Sent. */
  readonly messageId: string
  /** Epoch milliseconds by the server's clock. */
  readonly sendAt: number
  /** Epoch milliseconds by this browser's clock: what was done last is undone first. */
  readonly doneAt: number
  readonly draft: Draft
  /** The send was what marked the answered message: taking it back takes the mark away. */
  readonly marked: boolean
}

/** Oldest first. */
export const heldSends = atom<readonly HeldSend[]>([])

export const secondsLeft = (held: HeldSend): number => Math.ceil((held.sendAt - serverNow()) / 1000)

export const newestHeld = (): HeldSend | undefined => heldSends.get().findLast((held) => secondsLeft(held) > 0)

/** Offers to take the message back for as long as the server holds it; only says that it is sent when it does not. */
export function offerUndo(held: HeldSend): void {
  if (secondsLeft(held) <= 0) toast(t('sent'))
  else heldSends.set((now) => [...now, held])
}

export const forgetHeld = ({ submissionId }: HeldSend): void =>
  heldSends.set((now) => now.filter((each) => each.submissionId !== submissionId))

/** Takes a message back and opens it again as it was written; says so when it is too late. */
export async function takeBack(held: HeldSend, { queue, mailbox }: Desk): Promise<void> {
  // Not offered twice while the server is asked.
  forgetHeld(held)
  try {
    const { submissionId } = held
    const { cancelSend } = await graphql<{ cancelSend: { cancelled: boolean } }>(CANCEL_SEND, { submissionId })
    if (!cancelSend.cancelled) {
      toast(t('undoSendTooLate'), { tone: 'bad' })
      return
    }
  } catch (error) {
    if (secondsLeft(held) > 0) heldSends.set((now) => [...now, held])
    toast(t('commandFailed', { reason: error instanceof Error ? error.message : String(error) }), { tone: 'bad' })
    return
  }
  // The copy in Sent has become the draft on the server, in the commit that cancelled: nothing is lost should this tab go away now.
  if (held.marked && held.draft.inReplyTo)
    queue.run({ kind: 'flags', ids: [held.draft.inReplyTo], add: [], remove: [ANSWERED] })
  const draft = newDraft({ ...held.draft, serverId: held.messageId, commandId: crypto.randomUUID() })
  keepLocally(mailbox.account.id, draft)
  openComposer(draft)
  toast(t('sendingUndone'))
}
