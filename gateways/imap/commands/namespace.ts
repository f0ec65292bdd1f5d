// NAMESPACE (RFC 2342): a person's own mailboxes.
import { DELIMITER } from '../names.ts'
import type { Command } from './command.ts'

export const namespace: Command = {
  name: 'NAMESPACE',
  when: 'signed-in',
  run(session, args) {
    args.end()
    session.out.line(`* NAMESPACE (("" "${DELIMITER}")) NIL NIL`)
    return {}
  },
}
