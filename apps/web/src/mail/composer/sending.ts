// Saving and sending a draft.

import { SAVE_DRAFT, SEND } from '../../data/documents.ts'
import { graphql } from '../../data/graphql.ts'
import type { SendMessageInput } from '../../data/types.ts'
import type { Draft } from './composers.ts'
import { ownWords } from './quoting.ts'
import { isAddress } from './recipients.ts'

export function sendInput(draft: Draft): SendMessageInput {
  const done = draft.files.filter((each) => each.state === 'done')
  return {
    to: draft.to,
    cc: draft.cc,
    bcc: draft.bcc,
    subject: draft.subject,
    text: draft.text,
    attachmentIds: done.flatMap((each) => (each.uploadId ? [each.uploadId] : [])),
    forwardAttachments: done.flatMap((each) => (each.part ? [each.part] : [])),
    ...(draft.inReplyTo ? { inReplyTo: draft.inReplyTo } : {}),
    ...(draft.forwardOf ? { forwardOf: draft.forwardOf } : {}),
  }
}

/** Saves and answers the id of the message in Drafts. Addresses that are not whole yet are left out. */
export async function saveDraft(draft: Draft): Promise<string> {
  const whole = sendInput(draft)
  const input = {
    ...whole,
    to: whole.to.filter((each) => isAddress(each.address)),
    cc: whole.cc.filter((each) => isAddress(each.address)),
    bcc: whole.bcc.filter((each) => isAddress(each.address)),
  }
  const answer = await graphql<{ saveDraft: { messageId: string } }>(SAVE_DRAFT, {
    input,
    replaces: draft.serverId ?? null,
  })
  return answer.saveDraft.messageId
}

export interface Sent {
  readonly messageId: string
  readonly submissionId: string
  /** ISO 8601: until then the server holds it. */
  readonly sendAt: string
}

export async function sendDraft(draft: Draft): Promise<Sent> {
  const input: SendMessageInput = {
    ...sendInput(draft),
    commandId: draft.commandId,
    ...(draft.serverId ? { draftId: draft.serverId } : {}),
  }
  return (await graphql<{ sendMessage: Sent }>(SEND, { input })).sendMessage
}

export const isEmpty = (draft: Draft): boolean =>
  draft.to.length + draft.cc.length + draft.bcc.length + draft.files.length === 0 &&
  draft.subject.trim() === '' &&
  draft.text.trim() === ''

export type Doubt = 'subject' | 'attachment' | 'many'
const MANY = 20

/** What a person may have forgotten. */
export function doubts(draft: Draft): Doubt[] {
  const found: Doubt[] = []
  if (draft.subject.trim() === '') found.push('subject')
  if (
    draft.files.length === 0 &&
    /attach|첨부/iu.test(`${draft.kind === 'new' ? draft.subject : ''}\n${ownWords(draft.text)}`)
  ) {
    found.push('attachment')
  }
  if (draft.to.length + draft.cc.length > MANY) found.push('many')
  return found
}
