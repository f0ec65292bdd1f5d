// What auditors and operators did goes on the record, in the order in which they did it.
import type { AuditEvent } from '../domain/audit/audit.ts'
import { auditStream } from '../domain/log.ts'
import { type CommandContext, toNewEvents } from './context.ts'
import type { Journal } from './ports/journal.ts'

const ATTEMPTS = 20

/** Appends to the audit log at its exact revision; who loses a race tries again behind the winner. Durable when it resolves. */
export async function recordAudit(journal: Journal, context: CommandContext, event: AuditEvent): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const revision = await journal.lastRevision(auditStream)
    const result = await journal.append({
      stream: auditStream,
      expected: revision ?? 'no-stream',
      events: toNewEvents([event], 'system', context),
    })
    if (result.ok) return
  }
  throw new Error('The audit log is being written too fast just now: try again.')
}
