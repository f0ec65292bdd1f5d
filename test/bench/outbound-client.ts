// The people of the outbound benches: signed-in submission connections, each sending to one domain after the other, as fast as answers come.
import { connect } from 'node:net'

const [port = '0', user = '', password = '', each = '0', bytes = '0', ...domains] = process.argv.slice(2)
const line = `${'All work and no play makes Jack a dull boy. Some more words.'.padEnd(72, '.')}\r\n`
const body = line.repeat(Math.ceil(Number(bytes) / line.length))

async function person(domain: string): Promise<void> {
  const socket = connect(Number(port), '127.0.0.1').setNoDelay(true)
  let held = ''
  let wake: (() => void) | undefined
  socket.setEncoding('latin1').on('data', (text: string) => {
    held += text
    wake?.()
  })
  const reply = async (code: string): Promise<void> => {
    for (;;) {
      const end = /^\d{3} .*\r\n/m.exec(held)
      if (end) {
        const said = held.slice(0, end.index + end[0].length)
        held = held.slice(said.length)
        if (!end[0].startsWith(code)) throw new Error(said)
        return
      }
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  await reply('220')
  socket.write('EHLO load.test\r\n')
  await reply('250')
  socket.write(`AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString('base64')}\r\n`)
  await reply('235')
  for (let i = 0; i < Number(each); i++) {
    socket.write(`MAIL FROM:<${user}>\r\nRCPT TO:<someone@${domain}>\r\nDATA\r\n`)
    await reply('250')
    await reply('250')
    await reply('354')
    socket.write(
      `From: ${user}\r\nTo: someone@${domain}\r\nSubject: Message ${i}\r\nMessage-ID: <${i}.${process.pid}@${domain}>\r\n\r\n${body}.\r\n`,
    )
    await reply('250')
  }
  socket.end('QUIT\r\n')
}

await Promise.all(domains.map(person))
