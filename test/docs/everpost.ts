// What `npx everpost` does, sooner: a verb for the running server goes over its control socket without loading the server's code.
import { join } from 'node:path'
import { callControl } from '../../infra/control-socket.ts'

const argv = process.argv.slice(2)
const forServer = argv[0] !== 'serve' && !argv.includes('--data') && !argv.includes('--help')
if (forServer) {
  let stdin = ''
  if (argv.includes('--password-stdin')) for await (const chunk of process.stdin.setEncoding('utf8')) stdin += chunk
  const request = { argv, cwd: process.cwd(), columns: 80, ...(stdin === '' ? {} : { stdin }) }
  const control = join(process.env['EVERPOST_DATA'] ?? 'data', 'control.sock')
  const exit = await callControl(control, request, (reply) => {
    if ('out' in reply) process.stdout.write(reply.out)
    if ('err' in reply) process.stderr.write(reply.err)
  })
  process.exitCode = exit ?? 1
} else await import('../../infra/everpost.ts')
