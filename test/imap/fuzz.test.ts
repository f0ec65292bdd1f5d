// Whatever a client sends is answered, nothing is logged as a fault of ours, and the next command works.
// EVERPOST_FUZZ=1000000 is the long mode.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ImapClient } from '../support/imap-client.ts'
import { MailAccess, PASSWORD } from '../support/mail-access.ts'
import { randomFrom } from '../support/random.ts'

const INPUTS = Number(process.env['EVERPOST_FUZZ'] ?? 20_000)

let access: MailAccess
before(async () => {
  access = await MailAccess.start()
})
after(() => access.close())

/** A grammar of commands: each rule is a list of alternatives, `<name>` another rule. */
const GRAMMAR: Readonly<Record<string, readonly string[]>> = {
  command: [
    'NOOP',
    'CAPABILITY',
    '<select>',
    'FETCH <set> <items>',
    'UID FETCH <set> <items>',
    'UID FETCH <set> <items> (CHANGEDSINCE <number>)',
    'STORE <set> <sign>FLAGS<silent> (<flags>)',
    'UID STORE <set> (UNCHANGEDSINCE <number>) <sign>FLAGS (<flags>)',
    'SEARCH <return><keys>',
    'UID SEARCH <return><keys>',
    'SORT (<order>) UTF-8 <keys>',
    'THREAD REFERENCES UTF-8 <keys>',
    'COPY <set> <mailbox>',
    'LIST <mailbox> <pattern>',
    'LIST (SUBSCRIBED) "" (<pattern> <pattern>) RETURN (STATUS (<status>))',
    'LSUB "" <pattern>',
    'STATUS <mailbox> (<status>)',
    'SUBSCRIBE <mailbox>',
    'CREATE <junk>',
    'ENABLE <word>',
    'ID (<string> <string>)',
    'GETQUOTAROOT <mailbox>',
    'APPEND <mailbox> (<flags>) {3+}\r\nabc',
    'UID FETCH <set> <items> (PARTIAL <number>:<number>)',
    'REPLACE <number> <mailbox> (<flags>) {3+}\r\nabc',
    'UID REPLACE <number> <mailbox> CATENATE (<part>)',
    'APPEND <mailbox> CATENATE (<part> <part>)',
    'CANCELUPDATE <string>',
    'SETACL <mailbox> <who> <string>',
    'SETACL INBOX <who> "<rights>"',
    'DELETEACL <mailbox> <who>',
    'GETACL <mailbox>',
    'LISTRIGHTS <mailbox> <who>',
    'MYRIGHTS <mailbox>',
    'GETMETADATA <mailbox> (<entry> <entry>)',
    'GETMETADATA (DEPTH <word>) <mailbox> <entry>',
    'GETMETADATA <mailbox> (MAXSIZE <number> DEPTH infinity) (<entry>)',
    'SETMETADATA <mailbox> (<entry> <string>)',
    'NOTIFY NONE',
    'NOTIFY SET (<follow> (<event> <event>))',
    'NOTIFY SET STATUS (<follow> (MessageNew MessageExpunge FlagChange)) (<follow> NONE)',
    'UNSELECT',
    'MOVE <set> <mailbox>',
    'AUTHENTICATE <word> <string>',
    'EXPUNGE',
    'CHECK',
    '<junk>',
    '<word> <junk>',
  ],
  select: ['SELECT <mailbox>', 'EXAMINE INBOX', 'SELECT INBOX (CONDSTORE)', 'SELECT INBOX (QRESYNC (1 <number>))'],
  set: ['1', '1:*', '*', '2,1', '<number>:<number>', '$', '0', '1:', '<number>,*:3'],
  items: ['ALL', 'FAST', 'FULL', '(<item> <item>)', '<item>', '(<item>', '()'],
  item: [
    'FLAGS',
    'UID',
    'ENVELOPE',
    'BODYSTRUCTURE',
    'BODY',
    'RFC822.SIZE',
    'BODY.PEEK[]',
    'BODY.PEEK[<section>]',
    'BODY[<section>]<<number>.<number>>',
    'BINARY.PEEK[1]',
    'BINARY.SIZE[<number>]',
    'PREVIEW',
    'PREVIEW (LAZY)',
    'MODSEQ',
    'THREADID',
    'SAVEDATE',
    '<word>',
  ],
  part: [
    'TEXT {2+}\r\nab',
    'URL <string>',
    'URL "/INBOX/;UID=8"',
    'URL "/INBOX/;UID=8/;SECTION=TEXT/;PARTIAL=0.<number>"',
    '<junk>',
  ],
  who: ['anyone', 'OWNER', 'GUEST', '-anyone', '<string>', '<junk>'],
  rights: ['lr', '+s', '-r', 'lrswipkxtea', 'cd', '<junk>'],
  entry: ['/private/comment', '/shared/comment', '"/private/*"', '/private', '<string>', '<junk>'],
  follow: [
    'SELECTED',
    'SELECTED-DELAYED',
    'PERSONAL',
    'INBOXES',
    'SUBSCRIBED',
    'SUBTREE <mailbox>',
    'MAILBOXES (<mailbox>)',
    '<word>',
  ],
  event: [
    'MessageNew',
    'MessageNew (<item>)',
    'MessageExpunge',
    'FlagChange',
    'MailboxName',
    'SubscriptionChange',
    '<word>',
  ],
  section: [
    '',
    '1',
    'HEADER',
    'TEXT',
    '1.MIME',
    '1.2.3',
    'HEADER.FIELDS (<string> To)',
    'HEADER.FIELDS.NOT (X)',
    '<junk>',
  ],
  sign: ['+', '-', ''],
  silent: ['', '.SILENT'],
  flags: ['', '\\Seen', '\\Flagged \\Deleted', 'Keyword', '<junk>'],
  return: [
    '',
    '',
    'RETURN () ',
    'RETURN (MIN MAX COUNT) ',
    'RETURN (SAVE) ',
    'RETURN (PARTIAL 1:3) ',
    'RETURN (UPDATE COUNT) ',
    'RETURN (UPDATE (<item>) CONTEXT) ',
    'RETURN (<word>) ',
  ],
  keys: ['<key>', '<key> <key>', 'OR <key> <key>', 'NOT <key>', '(<key> <key>)', '(((<key>)))'],
  key: [
    'ALL',
    'UNSEEN',
    'SUBJECT <string>',
    'BODY <string>',
    'TEXT <string>',
    'HEADER <string> <string>',
    'SINCE 1-Jan-2020',
    'BEFORE <string>',
    'LARGER <number>',
    'UID <set>',
    'KEYWORD <word>',
    'MODSEQ <number>',
    'OLDER <number>',
    'SAVEDSINCE 1-Jan-2020',
    'NOT SAVEDON 1-Jan-2020',
    '<set>',
    '<junk>',
  ],
  order: ['DATE', 'REVERSE SUBJECT', 'SIZE', '<word>'],
  mailbox: [
    'INBOX',
    'Archive',
    '"Other Users/GUEST/INBOX"',
    '"Other Users"',
    '"Sent"',
    '{5+}\r\nINBOX',
    '<string>',
    '<junk>',
  ],
  pattern: ['*', '%', '"a*b%c"', 'INBOX', '*%*%*%*', '<string>'],
  status: ['MESSAGES', 'UIDNEXT UNSEEN', 'SIZE DELETED', 'HIGHESTMODSEQ', '<word>'],
  number: ['0', '1', '7', '99', '4294967295', '99999999999999999999'],
  string: ['x', '"quoted"', '"a \\" b"', '{2+}\r\nhi', '"', '""', 'NIL', '{0+}\r\n'],
  word: ['FOO', 'x-y', 'UTF8=ACCEPT', 'A'.repeat(300)],
  junk: [
    '',
    ' ',
    '(',
    ')',
    '()',
    '\0',
    '\x80\xff',
    '"',
    '\\',
    '%',
    '{',
    '}',
    '{}',
    '{-1}',
    '~{2+}\r\nab',
    '((((((((',
    '[',
    'x'.repeat(5000),
  ],
}

function expand(rule: string, random: (below: number) => number, depth = 0): string {
  const alternatives = GRAMMAR[rule] ?? ['']
  const chosen = alternatives[random(alternatives.length)] ?? ''
  if (depth > 12) return 'ALL'
  return chosen.replace(/<([a-z]+)>/g, (_, name: string) => expand(name, random, depth + 1))
}

/** Now and then a byte is changed, dropped or doubled. */
function mutate(text: string, random: (below: number) => number): string {
  if (random(3) > 0 || text.length === 0) return text
  const at = random(text.length)
  // Literals count bytes: a change behind one would swallow the next command.
  if (text.includes('{')) return text
  const byte = String.fromCharCode(random(256)).replace(/[\r\n{]/, '(')
  return [text.slice(0, at) + byte + text.slice(at + 1), text.slice(0, at) + text.slice(at + 1), text + text.slice(at)][
    random(3)
  ] as string
}

/** Inputs that one mailbox takes. */
const MAILBOX = 10_000

/** A person with some mail, and another one of the same domain, which is theirs alone. */
async function someone(): Promise<{ readonly name: string; readonly domain: string; readonly guest: string }> {
  const domain = `d${access.ids.size}.test`
  const name = await access.person(domain)
  const guest = await access.person(domain)
  for (let i = 0; i < 5; i++)
    await access.deliver(name, `Subject: message ${i}\r\nTo: x@y.z\r\nContent-Type: text/plain\r\n\r\nbody ${i}\r\n`)
  await access.settle()
  return { name, domain, guest }
}

describe('commands made up from the grammar', () => {
  it('are each answered, and the session lives on', async (t) => {
    const port = await access.imap(t, { limits: { badCommands: 1_000_000 } })
    const random = randomFrom(Number(process.env['EVERPOST_SEED'] ?? 20261122))
    let who = await someone()
    const enter = () => ImapClient.signedIn(port, who.name, PASSWORD, who.domain)
    let client = await enter()
    t.after(() => client.close())
    const seen = { OK: 0, NO: 0, BAD: 0, BYE: 0 }
    let input = ''
    for (let i = 0; i < INPUTS; i++) {
      // What was appended would make every command slower, and nothing else.
      if (i > 0 && i % MAILBOX === 0) {
        client.close()
        who = await someone()
        client = await enter()
      }
      input = mutate(expand('command', random), random)
        .replaceAll('OWNER', `${who.name}@${who.domain}`)
        .replaceAll('GUEST', `${who.guest}@${who.domain}`)
      const reply = await client.send(input.replaceAll('{}', '{ }'))
      seen[reply.status as keyof typeof seen]++
      if (reply.status === 'BYE') client = await enter()
      assert.deepEqual(access.logged, [], `after ${JSON.stringify(input)}`)
    }
    assert.ok(seen.OK > INPUTS / 10 && seen.BAD > INPUTS / 10 && seen.NO > 0, JSON.stringify(seen))
    assert.ok(seen.BYE < INPUTS / 20, JSON.stringify(seen))
    assert.equal((await client.send('NOOP')).status, 'OK')
  })

  it('and bytes without any grammar', async (t) => {
    const port = await access.imap(t, { limits: { badCommands: 1_000_000 } })
    const random = randomFrom(7)
    for (let i = 0; i < 60; i++) {
      const client = await ImapClient.connect(port)
      for (let k = 0; k < 20; k++) {
        const bytes = Array.from({ length: random(200) }, () => String.fromCharCode(random(256))).join('')
        client.raw(`${bytes.replaceAll('{', '(')}\r\n`)
      }
      const reply = await client.send('NOOP')
      assert.ok(['OK', 'BYE', 'BAD'].includes(reply.status))
      client.close()
    }
    assert.deepEqual(access.logged, [])
  })
})
