// ENABLE (RFC 9051 §6.3.1) and what can be enabled: RFC 7162, RFC 6855, RFC 9586.
import { BadCommand } from '../errors.ts'
import type { Extension } from '../session.ts'
import type { Command } from './command.ts'

const KNOWN: ReadonlySet<string> = new Set<Extension>(['CONDSTORE', 'QRESYNC', 'IMAP4REV2', 'UTF8=ACCEPT', 'UIDONLY'])

export const enable: Command = {
  name: 'ENABLE',
  when: 'signed-in',
  run(session, args) {
    const now: string[] = []
    do {
      args.space()
      const name = args.word()
      if (!KNOWN.has(name)) continue
      if (session.selected && name !== 'CONDSTORE' && name !== 'UIDONLY')
        throw new BadCommand(`${name} is enabled before a mailbox is selected`)
      session.enabled.add(name as Extension)
      if (name === 'QRESYNC') session.enabled.add('CONDSTORE')
      now.push(name)
    } while (!args.atEnd())
    session.out.line(`* ENABLED${now.map((name) => ` ${name}`).join('')}`)
    return {}
  },
}
