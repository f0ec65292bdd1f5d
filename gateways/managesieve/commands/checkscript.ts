// CHECKSCRIPT (RFC 5804 §2.12): what is wrong with a script, without storing it.
import { checkRules } from '../../../commands/filter-rules.ts'
import { Refused } from '../refused.ts'
import { problemsText } from './change.ts'
import { type Command, strings } from './command.ts'

export const checkscript: Command = {
  when: 'signed-in',
  run(connection, words) {
    const [script = ''] = strings(words, 1)
    const problems = checkRules(script)
    if (problems.length > 0) throw new Refused(problemsText(problems))
    connection.ok('The script can run')
  },
}
