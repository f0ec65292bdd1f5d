// One client's state (RFC 9051 §3): who it is, what it enabled, what it has selected, and what it is to be told.
import { type CommandContext, contextOf } from '../../commands/context.ts'
import type { DirectoryAccount } from '../../commands/ports/views.ts'
import type { AccountId, Revision } from '../../domain/log.ts'
import type { MailboxQueries, UidRow } from '../../projections/queries.ts'
import type { Output } from '../wire/output.ts'
import { fetchAll, withUid } from './commands/fetch.ts'
import { Goodbye, Refused } from './errors.ts'
import type { ImapLimits } from './limits.ts'
import { decodeUtf7, encodeUtf7, FolderTree } from './names.ts'
import type { Notifications } from './notifications.ts'
import {
  canSee,
  demand,
  isOthers,
  ownPlace,
  ownPlaces,
  type Place,
  rightsOn,
  sharedPlace,
  sharedPlaces,
} from './places.ts'
import { Progress } from './progress.ts'
import { flagList } from './respond/flags.ts'
import { astring, utf8, utf8String } from './respond/strings.ts'
import type { Selected } from './selected.ts'
import { writeSet } from './sequence-set.ts'
import type { ImapServices } from './services.ts'

export type Extension = 'CONDSTORE' | 'QRESYNC' | 'IMAP4REV2' | 'UTF8=ACCEPT' | 'UIDONLY'

export class Session {
  readonly services: ImapServices
  readonly limits: ImapLimits
  readonly out: Output
  readonly client: { readonly address: string }
  secure: boolean
  readonly canStartTls: boolean
  /** Passwords in clear on this listener, which is then a loopback one. */
  readonly #insecureAuth: boolean
  account: DirectoryAccount | undefined
  selected: Selected | undefined
  readonly enabled = new Set<Extension>()
  compressed = false
  readonly progress: Progress
  /** What the client is told without asking (RFC 5465); undefined for what IMAP tells anyway. */
  notifications: Notifications | undefined
  /** What the client said of itself (RFC 2971), for the log of events. */
  clientName: string | undefined

  constructor(parts: {
    readonly services: ImapServices
    readonly limits: ImapLimits
    readonly out: Output
    readonly address: string
    readonly secure: boolean
    readonly canStartTls: boolean
    readonly insecureAuth: boolean
  }) {
    this.services = parts.services
    this.limits = parts.limits
    this.out = parts.out
    this.progress = new Progress(parts.out, parts.limits.progressMs)
    this.client = { address: parts.address }
    this.secure = parts.secure
    this.canStartTls = parts.canStartTls
    this.#insecureAuth = parts.insecureAuth
  }

  /** Never in clear over a network. */
  get mayUsePasswords(): boolean {
    return this.secure || this.#insecureAuth
  }

  get accountId(): string {
    if (!this.account) throw new Refused('Sign in first')
    return this.account.id
  }

  get mailbox(): Selected {
    if (!this.selected) throw new Refused('Select a mailbox first', 'CLIENTBUG')
    return this.selected
  }

  /** The selected mailbox, for a command that changes it. */
  get writable(): Selected {
    if (this.mailbox.readOnly) throw new Refused('The mailbox was opened to be read only', 'READ-ONLY')
    return this.mailbox
  }

  get rev2(): boolean {
    return this.enabled.has('IMAP4REV2')
  }

  get utf8(): boolean {
    return this.rev2 || this.enabled.has('UTF8=ACCEPT')
  }

  /** Whether MODSEQ is told with every flag change (RFC 7162 §3.1). */
  get condstore(): boolean {
    return this.enabled.has('CONDSTORE') || this.enabled.has('QRESYNC')
  }

  context(): CommandContext {
    const { address } = this.client
    const client = { address, ...(this.clientName === undefined ? {} : { name: this.clientName }) }
    return contextOf(this.accountId, 'imap', { at: this.services.now(), client })
  }

  /** The mailbox of that name that this session has any right on. */
  async place(path: string): Promise<Place | undefined> {
    const tree = await this.folders()
    const folder = tree.find(path)
    if (folder) return ownPlace(tree, this.accountId, folder, tree.pathOf(folder.id) ?? path)
    if (!isOthers(path) || !this.account) return undefined
    return sharedPlace(this.services, this.account, path)
  }

  /** Every mailbox that this session may see: its own, then those that others share. */
  async places(): Promise<readonly Place[]> {
    const own = ownPlaces(await this.folders(), this.accountId)
    const shared = this.account ? await sharedPlaces(this.services, this.account) : []
    return [...own, ...shared.filter(canSee)]
  }

  /** The same with these rights, or NO: [NONEXISTENT], or [TRYCREATE] where it could be made, or [NOPERM] to who may see it. */
  async needPlace(path: string, rights = '', missing: 'NONEXISTENT' | 'TRYCREATE' = 'NONEXISTENT'): Promise<Place> {
    const place = await this.place(path)
    if (!place) throw new Refused('There is no such mailbox', isOthers(path) ? 'NONEXISTENT' : missing)
    demand(place, rights)
    return place
  }

  /** What others let this session do in the mailbox it has selected may have changed since the last command. */
  async refreshRights(): Promise<void> {
    const { selected, account } = this
    if (!selected || !account || selected.account === account.id) return
    const owner = await this.services.directory.account(selected.account)
    selected.rights = rightsOn(owner, selected.folderId, account)
    if (!selected.rights.includes('r')) {
      this.selected = undefined
      throw new Goodbye('The mailbox that you were in is no longer shared with you')
    }
  }

  /** The person's own mailboxes. */
  async folders(): Promise<FolderTree> {
    const live = this.services.live.of(this.accountId)
    await live.catchUp()
    return new FolderTree(live.folders)
  }

  /** A mailbox name as the client wrote it. */
  nameIn(name: string): string {
    const text = this.utf8 ? name : decodeUtf7(name)
    return text.toUpperCase() === 'INBOX' ? 'INBOX' : text.replace(/^inbox(?=\/)/i, 'INBOX')
  }

  /** A mailbox name as the client reads it. */
  nameOut(path: string): string {
    if (!this.utf8) return astring(encodeUtf7(path))
    const text = utf8(path)
    return text === path ? astring(path) : utf8String(path, true)
  }

  /** What was written is folded in, so that the answer and the next command are of one mind. */
  async reflect(revision: Revision, account = this.accountId): Promise<void> {
    const live = this.services.live.of(account)
    live.announce(revision)
    await live.catchUp()
  }

  /** The views, once they show what this session has shown of an account: for what is not in memory. */
  async viewed(account: AccountId): Promise<MailboxQueries> {
    await this.services.live.of(account).viewed()
    return this.services.mailbox
  }

  /** Tells what others, and this client's own commands, have changed since it was last told. */
  async tell(options: {
    readonly expunge: boolean
    readonly quiet?: ReadonlySet<number>
    /** False leaves changes of flags untold. */
    readonly flags?: boolean
  }): Promise<void> {
    const { selected, out } = this
    if (!selected) return
    const { expunged, changed, arrived, deleted } = await selected.sync(options.expunge)
    if (selected.contexts.any) selected.contexts.tellRemoved(this, expunged)
    if (expunged.length > 0) {
      if (this.enabled.has('QRESYNC') || this.enabled.has('UIDONLY'))
        out.line(`* VANISHED ${writeSet(expunged.map(({ uid }) => uid).sort((a, b) => a - b))}`)
      else for (const { sequence } of expunged) out.line(`* ${sequence} EXPUNGE`)
    }
    if (deleted) throw new Goodbye('The mailbox that you were in has been deleted')
    if (arrived > 0) out.line(`* ${selected.uids.length} EXISTS`)
    if (options.flags !== false) for (const row of changed) if (!options.quiet?.has(row.uid)) this.flags(row)
    const fetch = this.notifications?.set.selected?.fetch ?? []
    if (arrived > 0 && fetch.length > 0) await fetchAll(this, withUid(this, fetch), selected.uids.slice(-arrived), 0)
    if (selected.contexts.any && changed.length + arrived > 0) {
      const fresh = arrived === 0 ? [] : selected.uids.slice(-arrived)
      await selected.contexts.tellChanged(this, [...changed.map(({ uid }) => uid), ...fresh])
    }
  }

  /** Accounts in whose mailboxes something may happen that this session is told. */
  async watched(): Promise<readonly AccountId[]> {
    const own = [this.accountId, ...(this.selected ? [this.selected.account] : [])]
    const others = this.notifications?.set.groups.length ? await this.places() : []
    return [...new Set([...own, ...others.map(({ account }) => account)])]
  }

  isOthers(path: string): boolean {
    return isOthers(path)
  }

  /** Tells what NOTIFY asked for, between two commands or in IDLE. */
  async notify(): Promise<void> {
    const { notifications, selected } = this
    if (!notifications) return
    const { selected: wanted } = notifications.set
    if (selected && wanted?.events.has('MessageNew'))
      await this.tell({ expunge: wanted.immediate, flags: wanted.events.has('FlagChange') })
    if (await notifications.tell(this)) return
    // RFC 5465 §5.8: from here on as after NOTIFY NONE.
    this.notifications = undefined
    this.out.line('* OK [NOTIFICATIONOVERFLOW] Too much has changed: look for yourself, and ask again')
  }

  /** FETCH answer about flags alone. */
  flags(row: UidRow): void {
    const parts = [`FLAGS ${flagList(row.flags)}`]
    if (this.condstore) parts.push(`MODSEQ (${row.modseq})`)
    this.fetched(row.uid, parts, true)
  }

  /** `* n FETCH (…)`, or UIDFETCH once UIDONLY is enabled (RFC 9586). */
  fetched(uid: number, parts: readonly string[], withUid: boolean): void {
    if (this.enabled.has('UIDONLY')) {
      this.out.line(`* ${uid} UIDFETCH (${parts.join(' ')})`)
      return
    }
    const sequence = this.mailbox.sequenceOf(uid)
    if (sequence > 0) this.out.line(`* ${sequence} FETCH (${[...(withUid ? [`UID ${uid}`] : []), ...parts].join(' ')})`)
  }
}
