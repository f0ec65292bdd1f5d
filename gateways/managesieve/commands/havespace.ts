// HAVESPACE (RFC 5804 §2.5).
import { rulesOf } from '../../../commands/filter-rules.ts'
import { MAX_FILTER_BYTES, MAX_FILTER_SCRIPTS } from '../../../domain/account/account.ts'
import { Refused } from '../refused.ts'
import { accountOf, type Command } from './command.ts'

export const havespace: Command = {
  when: 'signed-in',
  async run(connection, [name, size, more]) {
    if (name?.kind !== 'string' || size?.kind !== 'number' || more !== undefined)
      throw new Refused('HAVESPACE takes a name and a number')
    if (size.value > MAX_FILTER_BYTES)
      throw new Refused(`A script has at most ${MAX_FILTER_BYTES} bytes`, 'QUOTA/MAXSIZE')
    const { scripts } = await rulesOf(connection.services.journal, accountOf(connection))
    if (!scripts.has(name.text) && scripts.size >= MAX_FILTER_SCRIPTS)
      throw new Refused(`There are ${MAX_FILTER_SCRIPTS} scripts already`, 'QUOTA/MAXSCRIPTS')
    connection.ok('There is room')
  },
}
