// ID (RFC 2971): who is speaking. What the client says goes with its events, so that history shows the program.
import { textOf } from '../../wire/text.ts'
import { BadCommand } from '../errors.ts'
import type { Command } from './command.ts'

const MAX_PAIRS = 30

export const id: Command = {
  name: 'ID',
  when: 'any',
  run(session, args) {
    args.space()
    if (args.peek() === '(') {
      const words = args.list(() => args.nstring(), true)
      if (words.length > 2 * MAX_PAIRS || words.length % 2 === 1) throw new BadCommand('ID takes up to 30 pairs')
      const said = new Map<string, string>()
      for (let i = 0; i < words.length; i += 2) {
        const [name, value] = [words[i], words[i + 1]]
        if (name && value) said.set(textOf(name).toLowerCase(), textOf(value))
      }
      const name = [said.get('name'), said.get('version')].filter(Boolean).join(' ')
      if (name !== '') session.clientName = name.replace(/[\x00-\x1f\x7f]/g, '').slice(0, 100)
    } else args.nstring()
    args.end()
    session.out.line('* ID ("name" "Everpost" "vendor" "Everpost")')
    return {}
  },
}
