// Who may send how much: asked before a submission is taken, told how what left has fared.
import type { AccountId } from '../../domain/log.ts'
import type { Refusal } from '../context.ts'

export interface SendingGuard {
  /** Counts a message to so many recipients, or says why not now; then nothing is counted. */
  admit(
    account: AccountId,
    from: string,
    recipients: readonly string[],
    at: number,
  ): Promise<Refusal<'sending-limit'> | undefined>
  /** How attempts for an account's recipients ended for good. */
  settled(account: AccountId, delivered: number, bounced: number, at: number): Promise<void>
  /** When mail of the account may leave next, epoch milliseconds; 0 for at once. */
  notBefore(account: AccountId, at: number): Promise<number>
}
