// Mail from files into a mailbox: all of it, with its dates and flags, once.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { folderIdFor, openAccount } from '../../commands/open-account.ts'
import { isRedacted, mailboxStream } from '../../domain/log.ts'
import { type ImportOptions, ImportRefusal, importMail } from '../../gateways/import/import-mail.ts'
import { directWriter } from '../../gateways/import/import-writer.ts'
import { findSources, maildirFlags, NoSuchSource, statusFlags } from '../../gateways/import/sources.ts'
import { corpus, FOLDER, NO_CORPUS } from '../mime/corpus.ts'
import { temporaryFolder } from '../support/folders.ts'
import {
  eventsOf,
  FakeDirectory,
  Interrupted,
  interruptedJournal,
  mailboxOf,
  openJournal,
  StaleSnapshots,
  testContext,
} from '../support/journal.ts'

async function open(t: TestContext) {
  const parts = await openJournal(t)
  const opened = await openAccount({ ...parts, directory: new FakeDirectory() }, testContext(), {
    address: 'kim@example.test',
  })
  assert.ok(opened.ok)
  const account = opened.accountId
  const snapshots = new StaleSnapshots(parts.journal)
  const follow = async () => {
    snapshots.seen = ((await parts.journal.lastRevision(mailboxStream(account))) ?? -1n) + 1n
  }
  await follow()
  const run = (
    paths: readonly string[],
    more: Partial<ImportOptions> = {},
    journal = parts.journal as Parameters<typeof importMail>[0]['journal'],
  ) =>
    importMail(
      { journal, snapshots, writer: directWriter({ journal, blobs: parts.blobs }) },
      { account, paths, ...more },
    )
  const imported = async () => {
    const all = []
    for (const event of await eventsOf(parts.journal, mailboxStream(account)))
      if (!isRedacted(event) && event.type === 'MessageAppended')
        all.push({
          ...event.data,
          raw: Buffer.from(await parts.blobs.read(event.data.content.blob)).toString('latin1'),
        })
    return all
  }
  const folderName = async (id: string) => (await mailboxOf(parts.journal, account)).folders.get(id)?.name
  return { ...parts, account, run, imported, follow, folderName }
}
const eml = (subject: string, more = '') => `Subject: ${subject}\r\n${more}\r\nText of ${subject}.\r\n`

describe('import', () => {
  it('takes .eml files and folders of them, exactly, with their original dates, and leaves other files out', async (t) => {
    const { run, imported, account } = await open(t)
    const dir = temporaryFolder()
    mkdirSync(join(dir, 'deep', 'er'), { recursive: true })
    const one = eml(
      'one',
      'Received: from a by b;\r\n\tSun, 01 Mar 2026 09:30:05 +0000\r\nReceived: from c by a; Sat, 28 Feb 2026 00:00:00 +0000\r\nDate: Fri, 27 Feb 2026 00:00:00 +0000\r\n',
    )
    writeFileSync(join(dir, 'one.eml'), one)
    writeFileSync(join(dir, 'deep', 'two.EML'), eml('two', 'Date: Mon, 2 Mar 2026 10:00:00 +0900\r\n'))
    writeFileSync(
      join(dir, 'deep', 'er', '1234'),
      `${eml('three', 'Date: Tue, 3 Mar 2026 10:00:00 +0000\r\n')}Received: quoted; Sun, 01 Jan 2006 00:00:00 +0000\r\n`,
    )
    writeFileSync(join(dir, 'photo.jpg'), Buffer.from([0xff, 0xd8, 0xff, 0xe0]))
    writeFileSync(join(dir, '.hidden.eml'), eml('hidden'))
    writeFileSync(join(dir, 'empty.eml'), '')
    const result = await run([dir])
    assert.deepEqual([result.imported, result.known], [3, 0])
    const mails = new Map((await imported()).map((mail) => [mail.content.envelope.subject, mail]))
    assert.deepEqual([...mails.keys()].sort(), ['one', 'three', 'two'])
    assert.equal(mails.get('one')?.raw, one)
    assert.equal(mails.get('one')?.receivedAt, Date.UTC(2026, 2, 1, 9, 30, 5), 'the topmost Received field')
    assert.equal(mails.get('two')?.receivedAt, Date.UTC(2026, 2, 2, 1, 0, 0))
    assert.equal(mails.get('three')?.receivedAt, Date.UTC(2026, 2, 3, 10, 0, 0), 'lines of a body are no fields')
    assert.ok([...mails.values()].every(({ folderId }) => folderId === folderIdFor(account, 'inbox')))
  })

  it('takes mbox files with the flags of their Status fields', async (t) => {
    const { run, imported } = await open(t)
    const path = join(temporaryFolder(), 'box')
    const from = 'From a@b Thu Aug 22 12:36:23 2002\n'
    writeFileSync(path, `${from}Subject: read\nStatus: RO\nX-Status: AF\n\nx\n\n${from}Subject: unread\n\nStatus: R\n`)
    await run([path])
    const mails = await imported()
    assert.deepEqual(
      mails.map(({ flags }) => flags),
      [['\\seen', '\\answered', '\\flagged'], []],
    )
    assert.equal(mails[0]?.receivedAt, Date.UTC(2002, 7, 22, 12, 36, 23))
  })

  it('takes Maildirs: flags, dates and subfolders, in the alphabet of their people', async (t) => {
    const { run, imported, folderName } = await open(t)
    const dir = join(temporaryFolder(), 'Maildir')
    for (const folder of ['.', '.Work.2026', '.&wqTCqA-', '.A&-B', '..odd'])
      for (const sub of ['cur', 'new', 'tmp']) mkdirSync(join(dir, folder, sub), { recursive: true })
    const put = (place: string, subject: string) => {
      writeFileSync(join(dir, place), eml(subject))
      utimesSync(join(dir, place), new Date(1_700_000_000_123), new Date(1_700_000_000_123.4))
    }
    put('cur/1.a:2,FS', 'seen and flagged')
    put('new/2.a', 'new')
    put('.Work.2026/cur/3.a:2,RPT', 'work')
    put('.&wqTCqA-/cur/4.a:2,', 'international')
    put('.A&-B/cur/5.a', 'ampersand')
    put('tmp/6.a', 'unfinished')
    const { imported: count } = await run([dir], { folder: 'Old' })
    assert.equal(count, 5)
    const mails = new Map<string, { flags: readonly string[]; folder: string | undefined; receivedAt: number }>()
    for (const { content, flags, folderId, receivedAt } of await imported())
      mails.set(content.envelope.subject, { flags, folder: await folderName(folderId), receivedAt })
    assert.deepEqual(mails.get('seen and flagged'), {
      flags: ['\\flagged', '\\seen'],
      folder: 'Old',
      receivedAt: 1_700_000_000_123,
    })
    assert.deepEqual(mails.get('new')?.flags, [])
    assert.deepEqual(
      [mails.get('work')?.flags, mails.get('work')?.folder],
      [['\\answered', '$forwarded', '\\deleted'], '2026'],
    )
    assert.equal(mails.get('international')?.folder, Buffer.from('c2a4c2a8', 'hex').swap16().toString('utf16le'))
    assert.equal(mails.get('ampersand')?.folder, 'A&B')
  })

  it('doubles nothing when run twice, with views that follow and views that lag, nor what is twice in the source', async (t) => {
    const { run, imported, follow } = await open(t)
    const dir = temporaryFolder()
    for (let i = 0; i < 30; i++) writeFileSync(join(dir, `${i}.eml`), eml(`mail ${i % 20}`))
    const first = await run([dir, dir])
    assert.deepEqual([first.imported, first.known], [20, 40])
    await run([dir])
    await follow()
    const third = await run([dir])
    assert.deepEqual([third.imported, third.known], [0, 30])
    assert.equal((await imported()).length, 20)
    await run([dir], { folder: 'Elsewhere' })
    assert.equal((await imported()).length, 40, 'another folder is another place')
  })

  it('is complete and without doubles after it was stopped anywhere and run again', async (t) => {
    const { run, imported, journal } = await open(t)
    const path = join(temporaryFolder(), 'box.mbox')
    writeFileSync(
      path,
      Array.from(
        { length: 900 },
        (_, i) => `From a@b Thu Aug 22 12:36:23 2002\nSubject: mail ${i}\n\ntext ${i}\n\n`,
      ).join(''),
    )
    const stop = new AbortController()
    await assert.rejects(
      run([path], { signal: stop.signal, onProgress: () => stop.abort(new Error('Stopped.')) }),
      /Stopped/,
    )
    for (let at = 1; at <= 4; at++) {
      await assert.rejects(run([path], {}, interruptedJournal(journal, at, { after: at % 2 === 0 })), Interrupted)
    }
    await run([path])
    const subjects = (await imported()).map(({ content }) => content.envelope.subject)
    assert.equal(subjects.length, 900)
    assert.equal(new Set(subjects).size, 900)
  })

  it('tells its progress up to the last byte', async (t) => {
    const { run } = await open(t)
    const path = join(temporaryFolder(), 'box.mbox')
    const file = Array.from(
      { length: 500 },
      (_, i) => `From a@b Thu Aug 22 12:36:23 2002\nSubject: mail ${i}\n\ntext\n\n`,
    ).join('')
    writeFileSync(path, file)
    const steps: { bytes: number; imported: number }[] = []
    await run([path], { onProgress: (step) => steps.push(step) })
    assert.ok(steps.length >= 2)
    assert.deepEqual([steps.at(-1)?.bytes, steps.at(-1)?.imported], [file.length, 500])
    assert.ok(steps.every((step, i) => i === 0 || step.bytes > (steps[i - 1]?.bytes ?? 0)))
  })

  it('makes the folders on the way, finds those that are there in any case, and refuses names that cannot be', async (t) => {
    const { run, imported, journal, account } = await open(t)
    const path = join(temporaryFolder(), 'one.eml')
    writeFileSync(path, eml('x'))
    await run([path], { folder: 'archive/Projects/2026' })
    const { folders } = await mailboxOf(journal, account)
    const [mail] = await imported()
    const leaf = folders.get(mail?.folderId ?? '')
    const middle = folders.get(leaf?.parentId ?? '')
    assert.deepEqual(
      [leaf?.name, middle?.name, middle?.parentId],
      ['2026', 'Projects', folderIdFor(account, 'archive')],
    )
    await assert.rejects(run([path], { folder: 'x'.repeat(300) }), ImportRefusal)
  })

  it('says which path is not there', async (t) => {
    const { run } = await open(t)
    await assert.rejects(
      run(['/nowhere/at/all']),
      (error) => error instanceof NoSuchSource && /There is no file or folder \/nowhere\/at\/all/.test(error.message),
    )
  })

  it('takes the whole corpus, every byte of it', { skip: NO_CORPUS }, async (t) => {
    const { run, imported } = await open(t)
    const dir = temporaryFolder()
    cpSync(FOLDER, join(dir, 'mail'), { recursive: true })
    const mails = corpus()
    const { imported: count, known } = await run([join(dir, 'mail')])
    assert.equal(count + known, mails.length)
    const distinct = new Set(mails.map(({ raw }) => raw.toString('latin1')))
    assert.equal(count, distinct.size)
    const got = (await imported()).map(({ raw }) => raw)
    assert.ok(got.every((raw) => distinct.has(raw)))
  })
})

describe('sources', () => {
  it('read flags from Maildir names and Status fields', () => {
    assert.deepEqual(maildirFlags('1.M2P3.host:2,FRS'), ['\\flagged', '\\answered', '\\seen'])
    assert.deepEqual(maildirFlags('1.M2P3.host;2,D'), ['\\draft'])
    for (const name of ['1.M2P3.host', '1:1,S', 'x:2,', 'x:2,abc']) assert.deepEqual(maildirFlags(name), [], name)
    assert.deepEqual(statusFlags(Buffer.from('Status: RO\nX-Status: T\n\nStatus: D\n')), ['\\seen', '\\draft'])
    assert.deepEqual(statusFlags(Buffer.from('Subject: x\r\n\r\nStatus: R\r\n')), [])
  })
  it('are found in a fixed order', async () => {
    const dir = temporaryFolder()
    for (const name of ['b.eml', 'a.eml', 'c.eml']) writeFileSync(join(dir, name), eml(name))
    assert.deepEqual(
      (await findSources([dir])).map(({ path, kind }) => [path.slice(-5), kind]),
      [
        ['a.eml', 'eml'],
        ['b.eml', 'eml'],
        ['c.eml', 'eml'],
      ],
    )
  })
})
