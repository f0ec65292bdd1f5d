// NAMESPACE (RFC 2342): a person's own mailboxes, and those that others share.
import { DELIMITER } from '../names.ts'
import { OTHERS } from '../places.ts'
import type { Command } from './command.ts'

export const namespace: Command = {
  name: 'NAMESPACE',
  when: 'signed-in',
  run(session, args) {
    args.end()
    session.out.line(`* NAMESPACE (("" "${DELIMITER}")) (("${OTHERS}${DELIMITER}" "${DELIMITER}")) NIL`)
    return {}
  },
}
