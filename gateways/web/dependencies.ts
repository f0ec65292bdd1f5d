// What the web gateways need of the rest: whoever starts them hands over one object.

import type { RulesPorts } from '../../commands/deliver-by-rules.ts'
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import type { SendingGuard } from '../../commands/ports/sending-guard.ts'
import type { Tracer } from '../../commands/ports/tracer.ts'
import type { AccountId, Position, Revision } from '../../domain/log.ts'
import type { Cache } from '../../projections/ports/cache.ts'
import type { EventSource } from '../../projections/ports/event-source.ts'
import type { MailboxQueries, MessageFilter, ViewQueries } from '../../projections/queries.ts'
import type { SearchResult } from '../../projections/search/search.ts'
import type { SharedState } from '../limits/shared-state.ts'
import type { Histogram } from './histogram.ts'

export interface WebConfig {
  /** Right side of the Message-IDs that this server makes. */
  readonly domain: string
  /** Folder of the built web app; a page that says how to build it is shown while it is missing. */
  readonly webRoot: string
  /** Where people reach this server, such as `https://mail.example.org`; from the Host field when absent. */
  readonly publicUrl?: string | undefined
  /** Bytes of one uploaded attachment, 50 MB by default. */
  readonly maxUploadBytes?: number
  /** Session cookies only over TLS. */
  readonly secureCookies?: boolean
  /** Seconds that mail sent by GraphQL waits by default, so that it can be taken back; 0 when absent. */
  readonly undoSendSeconds?: number
  /** Trust X-Forwarded-For and -Proto of a proxy in front. */
  readonly trustProxy?: boolean
}

/** One line of GET /metrics besides those that this gateway counts itself. */
export interface Metric {
  /** Prometheus name, such as `everpost_intake_messages_total`. */
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
}

/** How a projection stands; structurally a part of what the projectors tell. */
export interface ProjectionHealth {
  readonly name: string
  readonly state: 'catching-up' | 'live' | 'rebuilding' | 'failed'
  readonly lag: { readonly positions: bigint; readonly seconds: number }
  readonly parkedCount: number
  readonly error?: string
}

/** A mailbox as it was; structurally what `mailboxAt` of the projections answers. */
export interface MailboxMoment {
  readonly queries: Pick<MailboxQueries, 'folders' | 'folder' | 'messages'>
  readonly revision: Revision | undefined
}

/** Engines that can count the messages of a folder under a filter say so; without it the gateway pages through them. */
export type CountingMailboxQueries = MailboxQueries & {
  count?(account: AccountId, folderId: string, filter: MessageFilter): Promise<number>
}

export interface WebDependencies {
  readonly config: WebConfig
  readonly journal: Journal
  readonly source: Pick<EventSource, 'readStream' | 'readPositions' | 'head'>
  readonly blobs: MessageBlobs
  /** Sending limits; none when absent. */
  readonly guard?: SendingGuard
  /** Filter rules of recipients who live here. */
  readonly rules?: RulesPorts
  /** 32 bytes each, the same after every start: they sign sessions, and links to bodies and uploads. */
  readonly secrets: { readonly sessionKey: Uint8Array; readonly linkKey: Uint8Array }
  readonly views: Omit<ViewQueries, 'mailbox'> & { readonly mailbox: CountingMailboxQueries }
  /** As in ProjectorsApi: rejects with `code: 'timeout'` when the view does not get there. */
  waitForRevision(account: AccountId, revision: Revision, options?: { readonly timeoutMs?: number }): Promise<void>
  waitForPosition(position: Position, options?: { readonly timeoutMs?: number }): Promise<void>
  /** The search index reflects the revision; without it, searches wait for the mailbox view only. */
  waitForSearch?(account: AccountId, revision: Revision, options?: { readonly timeoutMs?: number }): Promise<void>
  onApplied(listener: (touched: ReadonlyMap<AccountId, Revision>) => void): () => void
  search(
    account: AccountId,
    query: string,
    options: { readonly first?: number; readonly after?: string },
  ): Promise<SearchResult>
  /** Epoch milliseconds. */
  mailboxAt(account: AccountId, time: number): Promise<MailboxMoment>
  projections(): Promise<readonly ProjectionHealth[]>
  readonly cache: Cache
  /** Wrong passwords and ended sessions, of all processes; this one's own memory when absent. */
  readonly sharedState?: SharedState
  metrics?(): readonly Metric[]
  readonly histograms?: readonly Histogram[]
  /** Seconds from an event's time to the end of its push to one client. */
  readonly pushed?: Pick<Histogram, 'observe'>
  readonly tracer?: Tracer
  /** Epoch milliseconds. */
  readonly clock?: () => number
  /** An unexpected error of a request: for the log of the program. */
  onError?(error: unknown, about: { readonly requestId: string; readonly route: string }): void
}

export const MAX_UPLOAD = 50 * 1024 * 1024
