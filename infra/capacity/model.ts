// What 10^9 accounts need: events a second, cells, storage a year and engine, network. Every number that is not arithmetic is an assumption
// with a name, or a figure that a benchmark of this project measured; both are listed on the page that report.ts writes.

/** What people do, and how large it is. Bytes, seconds, accounts. */
export const LOAD = {
  accounts: 1e9,
  sendsPerDay: 10,
  arrivalsPerDay: 40,
  /** Of one message: envelope, header, text, structure, index. */
  metadataBytes: 50e3,
  attachmentShare: 0.2,
  attachmentBytes: 500e3,
  /** Flags, moves and deletes of one account a day: people read most of what comes and file or delete some of it. */
  changesPerDay: 50,
  /** The busiest hour against the mean of a day. */
  peak: 2.5,
  /** Recipients of one message that lie in the same installation and share its bytes. */
  localRecipients: 1.2,
  /** Sessions that listen at the same time, of all accounts. */
  listeningShare: 0.05,
} as const
export type Load = { readonly [Name in keyof typeof LOAD]: number }

/** What one machine of 2 cores did in the benchmarks named; a core is half of it. Measured with the generator on the same cores. */
export const MEASURED = {
  /** npm run bench -- intake, 50 connections: accepted and durable messages a second. */
  intakePerMachine: 926,
  /** npm run bench -- eventstore: appends a second through one connection, 64 in flight. */
  appendsPerConnection: 11_022,
  /** npm run bench -- rebuild: events a second that one process projects into files. */
  projectedPerProcess: 21_600,
  /** npm run bench -- views-mongodb: events a second that one process projects into all views on a FerretDB that shares its two cores. */
  projectedIntoMongo: 1_430,
  /** npm run bench -- typesense: messages a second that one process indexes. */
  indexedPerProcess: 2_268,
  /** npm run bench -- disk: bytes of log and pack files for each byte of a Maildir. */
  storedPerRawByte: 0.75,
  /** npm run bench -- rebuild: bytes of a message in the views. */
  viewBytesPerMessage: 757,
  /** npm run bench -- imap idle: bytes of resident memory of a session that listens. */
  bytesPerSession: 40 * 1024,
} as const
export type Measured = { readonly [Name in keyof typeof MEASURED]: number }

/** What an engine of a cell is taken to bear, and how far it is filled. */
export const CELL = {
  /** Appends a second of one EventStoreDB cluster of three nodes on NVMe: its makers' figure is 15,000 writes; half of it. */
  eventStoreAppends: 7_500,
  /** How much of any limit is used at the busiest hour. */
  utilisation: 0.6,
  /** Years of mail whose words are in Typesense's memory: a month. Older mail is searched in index files on disk. */
  indexedYears: 1 / 12,
  /** Bytes of memory that Typesense takes for a byte of indexed text: 2 to 3. */
  memoryPerIndexedByte: 2.5,
  indexedBytesPerMessage: 1_800,
  searchShards: 12,
  /** Memory of one Typesense node. */
  searchNodeBytes: 256e9,
  /** Copies of a byte in EventStoreDB and MongoDB; S3 by erasure coding. */
  copies: 3,
  objectCopies: 1.4,
  /** Mail that people delete, and compaction drops after 30 days. */
  deletedShare: 0.6,
} as const
export type CellAssumptions = { readonly [Name in keyof typeof CELL]: number }

export const YEAR = 365
const DAY = 86_400

export interface Demand {
  readonly sendsPerSecond: number
  readonly arrivalsPerSecond: number
  readonly changesPerSecond: number
  readonly eventsPerSecond: number
  readonly peakEventsPerSecond: number
}

/** An arrival is MailAccepted, shared by its local recipients, and MessageReceived; a send is MessageSubmitted, the Sent copy, and one outcome. */
export function demand(load: Load): Demand {
  const perSecond = (perDay: number) => (load.accounts * perDay) / DAY
  const arrivals = perSecond(load.arrivalsPerDay)
  const sends = perSecond(load.sendsPerDay)
  const changes = perSecond(load.changesPerDay)
  const events = arrivals * (1 + 1 / load.localRecipients) + sends * 3 + changes
  return {
    sendsPerSecond: sends,
    arrivalsPerSecond: arrivals,
    changesPerSecond: changes,
    eventsPerSecond: events,
    peakEventsPerSecond: events * load.peak,
  }
}

export interface CellPlan {
  /** Which limit makes a cell as large as it is. */
  readonly boundBy: string
  readonly accountsPerCell: number
  readonly cells: number
  readonly limits: readonly { readonly what: string; readonly accounts: number }[]
  /** Processes of each role in one cell. */
  readonly processes: Readonly<Record<'smtp' | 'projector' | 'index' | 'sessions', number>>
}

/** A cell has one event store: what it bears bounds the accounts, and the other engines grow beside it by shards. */
export function cells(load: Load, measured: Measured, cell: CellAssumptions): CellPlan {
  const { eventsPerSecond, arrivalsPerSecond } = demand(load)
  const perAccount = (perSecond: number) => (perSecond * load.peak) / load.accounts
  const room = cell.utilisation
  const limits = [
    { what: 'appends of the event store', accounts: (cell.eventStoreAppends * room) / perAccount(eventsPerSecond) },
    {
      what: 'memory of the search shards',
      accounts:
        (cell.searchShards * cell.searchNodeBytes * room) /
        (load.arrivalsPerDay *
          YEAR *
          cell.indexedYears *
          (1 - cell.deletedShare) *
          cell.indexedBytesPerMessage *
          cell.memoryPerIndexedByte),
    },
  ]
  const [least] = limits.toSorted((a, b) => a.accounts - b.accounts)
  const accountsPerCell = Math.floor(least?.accounts ?? 0)
  const inCell = (perSecond: number) => perAccount(perSecond) * accountsPerCell
  return {
    boundBy: least?.what ?? '',
    accountsPerCell,
    cells: Math.ceil(load.accounts / accountsPerCell),
    limits,
    processes: {
      smtp: Math.ceil(inCell(arrivalsPerSecond) / (measured.intakePerMachine * room)),
      projector: Math.ceil(inCell(eventsPerSecond) / (measured.projectedIntoMongo * room)),
      index: Math.ceil(inCell(arrivalsPerSecond) / (measured.indexedPerProcess * room)),
      sessions: Math.ceil((accountsPerCell * load.listeningShare * measured.bytesPerSession) / (8e9 * room)),
    },
  }
}

export interface StorageYear {
  readonly what: string
  /** Bytes a year, copies counted. */
  readonly bytes: number
}

/** The question's own sum first: 10^9 x 40 x 365 x 50 KB is 730 PB a year, and attachments 1,460 PB. Then what of it lies where. */
export function storage(load: Load, measured: Measured, cell: CellAssumptions): readonly StorageYear[] {
  const arrivals = load.accounts * load.arrivalsPerDay * YEAR
  const metadata = arrivals * load.metadataBytes
  const attachments = arrivals * load.attachmentShare * load.attachmentBytes
  // Bytes that several recipients share are stored once; what is deleted goes after 30 days.
  const kept = (bytes: number) => (bytes / load.localRecipients) * (1 - cell.deletedShare)
  const eventBytes = 2_100
  const events = demand(load).eventsPerSecond * DAY * YEAR
  return [
    { what: 'metadata as asked (one copy, nothing deleted)', bytes: metadata },
    { what: 'attachments as asked (one copy, nothing deleted)', bytes: attachments },
    {
      what: 'S3: raw mail, packed and sealed',
      bytes: kept(metadata + attachments) * measured.storedPerRawByte * cell.objectCopies,
    },
    { what: 'EventStoreDB: the log', bytes: (arrivals * eventBytes + (events - arrivals) * 400) * cell.copies },
    { what: 'MongoDB: views', bytes: arrivals * (1 - cell.deletedShare) * measured.viewBytesPerMessage * cell.copies },
    {
      what: 'Typesense: memory for the newest month',
      bytes:
        arrivals *
        cell.indexedYears *
        (1 - cell.deletedShare) *
        cell.indexedBytesPerMessage *
        cell.memoryPerIndexedByte *
        cell.copies,
    },
  ]
}

/** Bytes a second in the busiest hour. */
export function network(load: Load): readonly { readonly what: string; readonly bytesPerSecond: number }[] {
  const { arrivalsPerSecond, sendsPerSecond } = demand(load)
  const size = load.metadataBytes + load.attachmentShare * load.attachmentBytes
  return [
    { what: 'mail in, from the outside', bytesPerSecond: arrivalsPerSecond * load.peak * size },
    { what: 'mail out, to the outside', bytesPerSecond: sendsPerSecond * load.peak * size },
    {
      what: 'to the blobs',
      bytesPerSecond: ((arrivalsPerSecond + sendsPerSecond) * load.peak * size) / load.localRecipients,
    },
    { what: 'read by people, each message once', bytesPerSecond: arrivalsPerSecond * load.peak * size },
  ]
}
