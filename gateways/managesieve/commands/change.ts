// What the changing commands share: the change, and the answer to one that is refused (RFC 5804 §1.3).
import { changeRules, type RulesCommand } from '../../../commands/filter-rules.ts'
import type { ManageSieveConnection } from '../connection.ts'
import { Refused } from '../refused.ts'
import { accountOf } from './command.ts'

const CODES: Readonly<Record<string, string>> = {
  'no-such-rules': 'NONEXISTENT',
  'rules-exist': 'ALREADYEXISTS',
  'rules-active': 'ACTIVE',
  'too-many': 'QUOTA/MAXSCRIPTS',
  busy: 'TRYLATER',
}

export async function change(connection: ManageSieveConnection, command: RulesCommand): Promise<void> {
  const { services } = connection
  const changed = await changeRules(services.journal, connection.context(), accountOf(connection), command)
  if (changed.ok) return
  // One line for each problem, as compilers write them.
  const message = 'problems' in changed ? problemsText(changed.problems) : changed.refusal.message
  throw new Refused(message, CODES[changed.refusal.code])
}

export const problemsText = (problems: readonly { line: number; column: number; message: string }[]): string =>
  problems.map(({ line, column, message }) => `line ${line}, column ${column}: ${message}`).join('\r\n')
