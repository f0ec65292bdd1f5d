// IDLE (RFC 2177): what changes is told as it happens, until DONE.
import { BadCommand } from '../errors.ts'
import type { Command } from './command.ts'

export const idle: Command = {
  name: 'IDLE',
  when: 'signed-in',
  async run(session, args, { connection }) {
    args.end()
    session.out.line('+ idling')
    session.out.flush()
    const line = await connection.idle(async () => {
      await session.tell({ expunge: true })
      session.out.flush()
    })
    if (line !== null && line.toUpperCase() !== 'DONE') throw new BadCommand('Expected DONE')
    return {}
  },
}
