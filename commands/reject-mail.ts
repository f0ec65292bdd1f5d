// A message that was offered and refused goes on the record: when, with which answer; nothing of its content.
import { intakeStream } from '../domain/log.ts'
import { type CommandContext, toNewEvents } from './context.ts'
import type { Journal } from './ports/journal.ts'
import { dayOf, shardOf } from './receive-mail.ts'

export async function rejectMail(
  journal: Journal,
  context: CommandContext,
  refusal: { readonly intakeId: string; readonly code: number; readonly reason: string },
): Promise<void> {
  const { client: _, ...anonymous } = context
  const data = { ...refusal, reason: refusal.reason.slice(0, 500) }
  await journal.append({
    stream: intakeStream(dayOf(context.at), shardOf(refusal.intakeId)),
    expected: 'any',
    events: toNewEvents([{ type: 'MailRejected', data }], 'system', anonymous),
  })
}
