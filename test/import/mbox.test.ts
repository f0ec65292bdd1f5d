// mbox files of every dialect, wherever a chunk of the file ends.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type MboxLimits, readMbox } from '../../gateways/import/mbox.ts'
import { temporaryFolder } from '../support/folders.ts'

async function read(file: string | Buffer, quoting: 'mboxrd' | 'mboxo' = 'mboxrd', limits: MboxLimits = {}) {
  const path = join(temporaryFolder(), 'box.mbox')
  writeFileSync(path, file)
  const messages = []
  for await (const message of readMbox(path, quoting, limits)) messages.push(message)
  return messages
}
const FROM = 'From ann@example.test Thu Aug 22 12:36:23 2002\n'
const raws = (messages: readonly { raw: Buffer }[]) => messages.map(({ raw }) => raw.toString('latin1'))

describe('mbox', () => {
  it('is cut at From_ lines after an empty line, and the empty line is not part of a message', async () => {
    const messages = await read(`${FROM}Subject: one\n\nbody\n\n${FROM}Subject: two\n\nbody\n`)
    assert.deepEqual(raws(messages), ['Subject: one\n\nbody\n', 'Subject: two\n\nbody\n'])
    assert.deepEqual(
      messages.map(({ date }) => date),
      [Date.UTC(2002, 7, 22, 12, 36, 23), Date.UTC(2002, 7, 22, 12, 36, 23)],
    )
    assert.equal(messages.at(-1)?.end, `${FROM}Subject: one\n\nbody\n\n${FROM}Subject: two\n\nbody\n`.length)
  })

  it('reads CRLF files', async () => {
    const from = FROM.replace('\n', '\r\n')
    const messages = await read(`${from}Subject: one\r\n\r\nbody\r\n\r\n${from}Subject: two\r\n\r\nFrom here on\r\n`)
    assert.deepEqual(raws(messages), ['Subject: one\r\n\r\nbody\r\n', 'Subject: two\r\n\r\nFrom here on\r\n'])
  })

  it('leaves text alone that only begins like a From_ line', async () => {
    const body =
      'Subject: x\n\nFrom now on\n\nFrom the beginning of time, at 12:30 sharp\nFrom ann@example.test Thu Aug 22 12:36:23 2002\n'
    assert.deepEqual(raws(await read(`${FROM}${body}`)), [body], 'no empty line before the last, no year in the others')
  })

  it('takes the marks off as each dialect put them on', async () => {
    const quoted = `${FROM}Subject: q\n\n>From one\n>>From two\n> From three\n>>not\n>Fromage\n`
    assert.deepEqual(raws(await read(quoted, 'mboxrd')), [
      'Subject: q\n\nFrom one\n>From two\n> From three\n>>not\n>Fromage\n',
    ])
    assert.deepEqual(raws(await read(quoted, 'mboxo')), [
      'Subject: q\n\nFrom one\n>>From two\n> From three\n>>not\n>Fromage\n',
    ])
  })

  it('knows dates with zones, and takes what has none', async () => {
    const dated = async (line: string) => (await read(`${line}\nSubject: x\n\nx\n`))[0]?.date
    assert.equal(await dated('From a@b Thu Aug 22 12:36:23 2002 +0900'), Date.UTC(2002, 7, 22, 3, 36, 23))
    assert.equal(await dated('From a@b Thu Aug 22 12:36:23 +0100 2002'), Date.UTC(2002, 7, 22, 11, 36, 23))
    assert.equal(await dated('From MAILER-DAEMON Fri Jul  8 12:08:34 2011'), Date.UTC(2011, 6, 8, 12, 8, 34))
    assert.equal(await dated('From "odd name"@b Thu Aug 22 12:36 2002'), Date.UTC(2002, 7, 22, 12, 36, 0))
    assert.equal((await read(`From a@b 99:99:99 9999\nSubject: x\n\nx\n`)).length, 1)
  })

  it('is nothing without a From_ line', async () => {
    for (const file of ['', '\n', 'Subject: x\n\nbody\n', 'From', 'x'.repeat(5000)])
      assert.deepEqual(await read(file), [])
  })

  it('is read the same whatever the size of a chunk', async () => {
    const line = fc.constantFrom(
      '',
      'text',
      'From here',
      '>From there',
      '>>From',
      FROM.trim(),
      `>${FROM.trim()}`,
      `From ${'x'.repeat(500)} Thu Aug 22 12:36:23 2002`,
      `From ${'y'.repeat(340)} Thu Aug 22 12:36:23 2002`,
      'é'.repeat(40),
      '\r',
    )
    const body = fc.array(line, { maxLength: 12 }).map((lines) => `Subject: x\n\n${lines.join('\n')}\n`)
    await fc.assert(
      fc.asyncProperty(
        fc.array(body, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 900 }),
        async (bodies, chunkBytes) => {
          // As mboxrd writers do: every line that could be taken for a From_ line gets one more '>'.
          const file = Buffer.from(bodies.map((text) => `${FROM}${text.replace(/^(>*From )/gm, '>$1')}\n`).join(''))
          const messages = await read(file, 'mboxrd', { chunkBytes })
          assert.deepEqual(
            messages.map(({ raw }) => raw.toString()),
            bodies,
          )
          assert.equal(messages.at(-1)?.end, file.length)
        },
      ),
      { seed: 11, numRuns: 150 },
    )
  })

  it('cuts a message without end where it was told, finds the next, and holds no more than that', async () => {
    const long = `Subject: long\n\n${'0123456789abcde\n'.repeat(40_000)}`
    const messages = await read(`${FROM}${long}\n${FROM}Subject: next\n\nx\n`, 'mboxrd', {
      maxBytes: 10_000,
      chunkBytes: 4096,
    })
    assert.deepEqual(raws(messages), [long.slice(0, 10_000), 'Subject: next\n\nx\n'])
    assert.equal(messages[0]?.end, FROM.length + long.length + 1)
  })
})
