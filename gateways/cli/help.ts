// --help: what there is, how it is said, what to try first.

export interface VerbHelp {
  readonly usage: string
  readonly what: string
  readonly example?: string
}

export const VERBS: Readonly<Record<string, VerbHelp>> = {
  serve: {
    usage: 'serve [--data DIR] [--config FILE] [--role smtp,submission,imap,pop3,web,delivery,projector]',
    what: 'Runs the mail system. The first run makes the data folder and prints a sign-in link.',
    example: 'everpost serve --data /var/lib/everpost',
  },
  demo: { usage: 'demo', what: 'Runs on a throw-away folder with sample people and mail, for looking round.' },
  'account add': {
    usage: 'account add ADDRESS [--name N] [--role user|admin|auditor] [--password-stdin]',
    what: 'Opens a mailbox.',
    example: "printf 'correct horse battery' | everpost account add kim@example.test --name Kim --password-stdin",
  },
  'account list': { usage: 'account list', what: 'Lists accounts with their messages and size.' },
  'account password': {
    usage: 'account password ADDRESS --password-stdin',
    what: 'Sets a password; earlier sessions end.',
  },
  'account alias': {
    usage: 'account alias ADDRESS ALIAS',
    what: 'Adds an address to an account; @example.test takes everything otherwise unknown there.',
    example: 'everpost account alias kim@example.test sales@example.test',
  },
  'account quota': { usage: 'account quota ADDRESS SIZE|none', what: 'Limits the bytes of a mailbox: 500M, 10G.' },
  'account hold': {
    usage: 'account hold ADDRESS --reason TEXT | --release ID',
    what: 'Places or releases a legal hold: nothing can be erased while it lasts.',
  },
  'account resume': {
    usage: 'account resume ADDRESS',
    what: 'Lets an account send freely again that was slowed because it looked taken over.',
  },
  'account erase': {
    usage: 'account erase ADDRESS --yes',
    what: 'Destroys the key of an account: unreadable for ever, backups too.',
  },
  'domain add': {
    usage: 'domain add NAME',
    what: 'Takes mail for a domain, makes its signing keys and prints the DNS records to publish.',
    example: 'everpost domain add example.org',
  },
  'domain records': {
    usage: 'domain records NAME',
    what: 'Prints the DNS records that a domain should publish: MX, SPF, DKIM, DMARC, MTA-STS, TLS-RPT.',
  },
  'domain dkim': {
    usage: 'domain dkim NAME [--rotate]',
    what: 'Lists the signing keys of a domain, making what is missing; --rotate makes new ones and retires the others.',
    example: 'everpost domain dkim example.org --rotate',
  },
  'domain list': { usage: 'domain list', what: 'Lists the domains that mail is taken for.' },
  'token create': {
    usage: 'token create ADDRESS [--label TEXT]',
    what: 'Prints a bearer token for the API. It is shown once.',
  },
  'token list': {
    usage: 'token list ADDRESS',
    what: 'Lists the tokens and app passwords of an account, without their secrets.',
  },
  'token revoke': { usage: 'token revoke ADDRESS ID', what: 'Ends a token or app password at once.' },
  'sieve check': {
    usage: 'sieve check FILE',
    what: 'Tells what is wrong with a Sieve script, by line and column.',
  },
  'sieve list': { usage: 'sieve list ADDRESS', what: 'Lists the filter rules of an account.' },
  'sieve get': { usage: 'sieve get ADDRESS NAME', what: 'Prints filter rules.' },
  'sieve put': {
    usage: 'sieve put ADDRESS NAME FILE [--activate]',
    what: 'Saves filter rules, and puts them in force with --activate.',
    example: 'everpost sieve put kim@example.test main rules.sieve --activate',
  },
  'sieve activate': {
    usage: 'sieve activate ADDRESS NAME | --none',
    what: 'Puts saved filter rules in force, or none.',
  },
  'sieve delete': { usage: 'sieve delete ADDRESS NAME', what: 'Deletes filter rules that are not in force.' },
  'sieve test': {
    usage: 'sieve test ADDRESS FILE [--last N] [--folder NAME]',
    what: 'Shows what a script would have done to the newest messages of a folder, and does nothing.',
    example: 'everpost sieve test kim@example.test rules.sieve --last 50',
  },
  search: {
    usage: 'search ADDRESS QUERY [--first N]',
    what: 'Finds messages: words, "phrases", -not, OR, from: to: cc: subject: in: has: is: before: after: larger: smaller:.',
    example: "everpost search kim@example.test 'from:theo offsite has:attachment'",
  },
  import: {
    usage: 'import ADDRESS PATH… [--folder NAME] [--quoting mboxrd|mboxo]',
    what: 'Imports .eml files, folders of them, mbox files and Maildirs. Stopped or repeated, it doubles nothing.',
    example: 'everpost import kim@example.test ~/Mail --folder Archive/2025',
  },
  export: { usage: 'export ADDRESS FILE.mbox', what: 'Writes all mail of an account to one mbox file.' },
  'projections status': { usage: 'projections status', what: 'Shows how far each view has followed the log.' },
  'projections rebuild': {
    usage: 'projections rebuild NAME | --all',
    what: 'Makes a view anew from the log beside the one in use, compares both, then switches.',
    example: 'everpost projections rebuild mailbox',
  },
  'queue list': { usage: 'queue list', what: 'Shows mail that has not reached all its recipients, and why.' },
  'queue retry': { usage: 'queue retry ID', what: 'Tries again at once.' },
  'queue cancel': { usage: 'queue cancel ID', what: 'Takes mail back that was not handed over yet.' },
  'quarantine list': {
    usage: 'quarantine list [ADDRESS]',
    what: 'Lists mail that the filters hold, of one account or of all, and why.',
  },
  'quarantine release': {
    usage: 'quarantine release ADDRESS ID',
    what: 'Delivers held mail after all.',
  },
  'quarantine drop': { usage: 'quarantine drop ADDRESS ID', what: 'Gives held mail up for good.' },
  'audit history': {
    usage: 'audit history ADDRESS [--message ID] [--as AUDITOR --reason TEXT]',
    what: 'Tells what happened, when, by whom and through what.',
    example: 'everpost audit history kim@example.test --json',
  },
  'audit at': {
    usage: 'audit at ADDRESS TIME [--folder NAME] [--as AUDITOR --reason TEXT]',
    what: 'Lists the mailbox as it was at a moment.',
    example: 'everpost audit at kim@example.test 2026-03-01T09:00:00Z --folder INBOX',
  },
  'audit verify': {
    usage: 'audit verify [--sign] [--blobs all|none|NUMBER] [--since CHECKPOINTFILE]… [--key KEY]… | FILE [--key KEY]',
    what: 'Checks the whole log against its signed heads; with FILE an export or a proof, with nothing but the file.',
    example: 'everpost audit verify --sign',
  },
  'audit prove': {
    usage:
      'audit prove ADDRESS --message ID | --event ID [--since CHECKPOINTFILE] [--out FILE] [--as AUDITOR --reason TEXT]',
    what: 'Proves that the events of a message are in the signed log, and that the log only grew since a checkpoint.',
  },
  'audit export': {
    usage: 'audit export ADDRESS FILE [--from TIME] [--to TIME] [--with-key] [--as AUDITOR --reason TEXT]',
    what: 'Writes events and raw messages of an account to one file with the proofs that they are genuine.',
    example: "everpost audit export kim@example.test kim.jsonl --as 'Lee, counsel' --reason 'Case 2026-17'",
  },
  'audit key': { usage: 'audit key', what: 'Prints the public key that signs the heads of the log.' },
  backup: {
    usage: 'backup DIR [--keys FILE]',
    what: 'Adds what is new on the log and among the blobs to a folder; the keys go into a file of their own.',
    example: 'everpost backup /mnt/backup --keys /mnt/vault/everpost-keys.json',
  },
  restore: {
    usage: 'restore DIR [--keys FILE]',
    what: 'Puts a backup into empty engines, makes every view from it and compares. No server may run on them.',
    example: 'everpost restore /mnt/backup --keys /mnt/vault/everpost-keys.json --data /var/lib/everpost',
  },
  'migrate-engine': {
    usage: 'migrate-engine TARGET.yaml [--prepare]',
    what: 'Moves to the engines of another file of settings while mail goes on; writes wait for the last moment only.',
    example: 'everpost migrate-engine /etc/everpost/cluster.yaml --prepare',
  },
  compact: { usage: 'compact', what: 'Gives back the space of messages that nobody can restore any more.' },
}

export function helpText(verb?: string): string {
  const known = verb === undefined ? undefined : VERBS[verb]
  if (known) {
    const example = known.example ? `\nFor example:\n  ${known.example}\n` : ''
    return `everpost ${known.usage}\n\n${known.what}\n${example}\n${COMMON}`
  }
  const lines = Object.entries(VERBS).map(([name, { what }]) => `  ${name.padEnd(20)} ${what}`)
  return `Everpost, a mail system whose only truth is an append-only event log.\n\n  everpost VERB …\n\n${lines.join('\n')}\n\n${COMMON}\nStart here:\n  everpost serve                      then open the link that it prints\n  everpost VERB --help                how a verb is said\n`
}

const COMMON = `Every verb takes --data DIR and --config FILE, and works whether or not a server is running on that folder.
--json prints for machines. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
`
