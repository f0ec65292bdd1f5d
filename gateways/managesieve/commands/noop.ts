// NOOP (RFC 5804 §2.13): the string comes back, so that a client knows where in the answers it is.
import { stringOf } from '../words.ts'
import { type Command, strings } from './command.ts'

export const noop: Command = {
  when: 'any',
  run(connection, words) {
    const [tag] = strings(words, words.length === 0 ? 0 : 1)
    if (tag === undefined) connection.ok('Done')
    else connection.ok('Done', `TAG ${stringOf(tag)}`)
  },
}
