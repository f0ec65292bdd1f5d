// COMPRESS DEFLATE (RFC 4978).
import { BadCommand, Refused } from '../errors.ts'
import type { Command } from './command.ts'

export const compress: Command = {
  name: 'COMPRESS',
  when: 'signed-in',
  run(session, args, { connection }) {
    args.space()
    if (args.word() !== 'DEFLATE') throw new BadCommand('Only DEFLATE is known')
    args.end()
    if (session.compressed) throw new Refused('Compression is on already', 'COMPRESSIONACTIVE')
    return { text: 'DEFLATE active', after: () => connection.compress() }
  },
}
