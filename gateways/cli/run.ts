// Runs a verb of the command line.
import type { VerifyTools } from '../../projections/audit/verify-bundle.ts'
import {
  accountAdd,
  accountAlias,
  accountErase,
  accountHold,
  accountList,
  accountPassword,
  accountQuota,
  accountResume,
  tokenCreate,
  tokenList,
  tokenRevoke,
} from './accounts.ts'
import { auditAt, auditHistory } from './audit.ts'
import { auditExport, auditKey, auditProve, auditVerify, verifyFile } from './audit-proofs.ts'
import { backupVerb } from './backup.ts'
import { domainAdd, domainDkim, domainList, domainRecords } from './domains.ts'
import { helpText } from './help.ts'
import { migrateEngine } from './migrate.ts'
import { compact, projectionsRebuild, projectionsStatus } from './projections.ts'
import { quarantineDrop, quarantineList, quarantineRelease } from './quarantine.ts'
import { queueCancel, queueList, queueRetry } from './queue.ts'
import { searchVerb } from './search.ts'
import { type CliIo, type CliServices, CliUsage } from './services.ts'
import { sieveActivate, sieveCheck, sieveDelete, sieveGet, sieveList, sievePut, sieveTest } from './sieve.ts'
import { exportVerb, importVerb } from './transfer.ts'

type Verb = (services: CliServices, argv: readonly string[], io: CliIo) => Promise<void>

const RUN: Readonly<Record<string, Verb>> = {
  'account add': accountAdd,
  'account list': accountList,
  'account password': accountPassword,
  'account alias': accountAlias,
  'account quota': accountQuota,
  'account hold': accountHold,
  'account resume': accountResume,
  'account erase': accountErase,
  'domain add': domainAdd,
  'domain list': domainList,
  'domain records': domainRecords,
  'domain dkim': domainDkim,
  'token create': tokenCreate,
  'token list': tokenList,
  'token revoke': tokenRevoke,
  'sieve check': sieveCheck,
  'sieve list': sieveList,
  'sieve get': sieveGet,
  'sieve put': sievePut,
  'sieve activate': sieveActivate,
  'sieve delete': sieveDelete,
  'sieve test': sieveTest,
  search: searchVerb,
  import: importVerb,
  export: exportVerb,
  'projections status': projectionsStatus,
  'projections rebuild': projectionsRebuild,
  'queue list': queueList,
  'queue retry': queueRetry,
  'queue cancel': queueCancel,
  'quarantine list': quarantineList,
  'quarantine release': quarantineRelease,
  'quarantine drop': quarantineDrop,
  'audit history': auditHistory,
  'audit at': auditAt,
  'audit verify': auditVerify,
  'audit prove': auditProve,
  'audit export': auditExport,
  'audit key': auditKey,
  compact,
  backup: backupVerb,
  'migrate-engine': migrateEngine,
}

/** Like `runVerb`, for a verb that `runsAlone`. */
export async function runAlone(
  tools: VerifyTools,
  name: string,
  argv: readonly string[],
  io: CliIo,
): Promise<0 | 1 | 2> {
  return guarded(name, io, (safe) => verifyFile(tools, argv, safe))
}

/** Answers the exit code: 0 done, 1 refused or failed with one sentence on stderr, 2 wrong usage. */
export async function runVerb(
  services: CliServices,
  name: string,
  argv: readonly string[],
  io: CliIo,
): Promise<0 | 1 | 2> {
  return guarded(name, io, (safe) => (RUN[name] as Verb)(services, argv, safe))
}

/** Mail must not reach a terminal's controls, whichever verb prints it. What this makes of one is also right inside JSON. */
const visible = (text: string): string =>
  text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

async function guarded(name: string, terminal: CliIo, run: (io: CliIo) => Promise<void>): Promise<0 | 1 | 2> {
  const io: CliIo = {
    ...terminal,
    out: (text) => terminal.out(visible(text)),
    err: (text) => terminal.err(visible(text)),
  }
  try {
    await run(io)
    return 0
  } catch (error) {
    io.progress(null)
    if (error instanceof CliUsage) {
      io.err(`everpost ${name}: ${error.message}\n\n${helpText(name)}`)
      return 2
    }
    const message = error instanceof Error ? error.message : String(error)
    io.err(`everpost ${name}: ${message}\n`)
    return 1
  }
}
