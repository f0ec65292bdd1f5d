// Who asks, through which door, and when: what every command carries besides its intent.
import type { AccountId, AnyEvent, EventMetadata, NewEvent, Revision, Via } from '../domain/log.ts'
import { eventId, newCommandId } from './identity.ts'

export interface CommandContext {
  /** Names the command: the same id again is a retry and changes nothing more. */
  readonly commandId: string
  /** Account id, or a part of the system. */
  readonly actor: string
  readonly via: Via
  readonly client?: { readonly address?: string; readonly name?: string }
  /** Epoch milliseconds. */
  readonly at: number
  readonly correlationId: string
}

/** A context for a new command, at the present moment unless one is given. */
export function contextOf(
  actor: string,
  via: Via,
  options: { commandId?: string; at?: number; correlationId?: string; client?: CommandContext['client'] } = {},
): CommandContext {
  const commandId = options.commandId ?? newCommandId()
  return {
    commandId,
    actor,
    via,
    at: options.at ?? Date.now(),
    correlationId: options.correlationId ?? commandId,
    ...(options.client ? { client: options.client } : {}),
  }
}

/** Dresses decided events for the journal. `from` is the index of the first within the command. */
export function toNewEvents<E extends AnyEvent>(
  events: readonly E[],
  owner: AccountId | 'system',
  context: CommandContext,
  from = 0,
): readonly NewEvent<E>[] {
  const metadata: EventMetadata = {
    at: context.at,
    actor: context.actor,
    via: context.via,
    correlationId: context.correlationId,
    causationId: context.commandId,
    ...(context.client ? { client: context.client } : {}),
  }
  return events.map((event, i) => ({ ...event, id: eventId(context.commandId, from + i), metadata, owner }))
}

/** A refusal that a person can act on. */
export interface Refusal<Code extends string = string> {
  readonly code: Code
  readonly message: string
}

export type Outcome<T, Code extends string = string> =
  | ({ readonly ok: true } & T)
  | { readonly ok: false; readonly refusal: Refusal<Code> }

export const refused = <Code extends string>(code: Code, message: string): { ok: false; refusal: Refusal<Code> } => ({
  ok: false,
  refusal: { code, message },
})

/** The revision that a command's answer names; undefined for a stream that does not exist. */
export type AnsweredRevision = Revision | undefined
