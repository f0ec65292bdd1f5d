// Mail in, mail out, mail from files: durable once, sealed apart, never above an event's cap.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { appendMessages, importedMessageId } from '../../commands/append-message.ts'
import { toNewEvents } from '../../commands/context.ts'
import { toMessageContent } from '../../commands/message-content.ts'
import { folderIdFor, openAccount } from '../../commands/open-account.ts'
import { MAX_EVENT_BYTES } from '../../commands/ports/event-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import { messageIdFor, receiveMail } from '../../commands/receive-mail.ts'
import { changeSubmission, deliverLocally, submitMessage } from '../../commands/submit-message.ts'
import { isRedacted, mailboxStream, submissionStream } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import type { MailAddress, MailContent, MimePart } from '../../domain/mail/structure.ts'
import { sealEvent } from '../../infra/adapters/journal/seal.ts'
import {
  eventsOf,
  FakeDirectory,
  Interrupted,
  interruptedJournal,
  mailboxOf,
  openJournal,
  testContext,
  typesOf,
} from '../support/journal.ts'

const RAW = Buffer.from('From: a@b.test\r\nSubject: Hello\r\n\r\nText of the message.\r\n')
const MAIL = readMail(RAW)

async function open(t: TestContext, names: readonly string[]) {
  const parts = await openJournal(t)
  const directory = new FakeDirectory()
  const ids: string[] = []
  for (const name of names) {
    const address = `${name}@example.test`
    const opened = await openAccount({ ...parts, directory }, testContext(), { address })
    assert.ok(opened.ok)
    directory.add(opened.accountId, address)
    ids.push(opened.accountId)
  }
  return { ...parts, directory, ids, blob: await parts.blobs.put(RAW) }
}

async function accepted(journal: Journal) {
  const all = []
  for (let shard = 0; shard < 16; shard++) all.push(...(await eventsOf(journal, `intake-19700101-${shard}`)))
  return all
}

describe('receiveMail', () => {
  const incoming = (ids: readonly string[], blob: Awaited<ReturnType<typeof open>>['blob']) => ({
    intakeId: 'intake1',
    mailFrom: 'a@b.test',
    recipients: ids.map((accountId, i) => ({ accountId, address: `r${i}@example.test` })),
    blob,
    mail: MAIL,
    remoteAddress: '192.0.2.1',
    helo: 'client.test',
  })

  it('puts one message into every mailbox, and one section for each account into the intake', async (t) => {
    const { journal, ids, blob } = await open(t, ['ann', 'bob'])
    await receiveMail(journal, testContext('c1'), incoming(ids, blob))
    for (const id of ids) {
      const { messages } = await mailboxOf(journal, id)
      assert.deepEqual([...messages.keys()], [messageIdFor('intake1', id)])
      assert.equal(messages.get(messageIdFor('intake1', id))?.folderId, folderIdFor(id, 'inbox'))
    }
    const [event, more] = await accepted(journal)
    assert.ok(event?.type === 'MailAccepted' && !isRedacted(event) && more === undefined)
    assert.deepEqual(Object.keys(event.data.sections).sort(), [...ids].sort())
    assert.equal(event.metadata.client, undefined, 'the sender is in the sections alone')
  })

  it('keeps one account readable when the other is erased', async (t) => {
    const { journal, keyring, ids, blob } = await open(t, ['ann', 'bob'])
    await receiveMail(journal, testContext('c1'), incoming(ids, blob))
    const [ann = '', bob = ''] = ids
    await keyring.destroy(ann)
    const [event] = await accepted(journal)
    assert.ok(event?.type === 'MailAccepted' && !isRedacted(event))
    assert.deepEqual(Object.keys(event.data.sections), [bob])
    assert.equal(event.data.sections[bob]?.mailFrom, 'a@b.test')
    assert.ok((await eventsOf(journal, mailboxStream(ann))).every(isRedacted))
    assert.equal((await mailboxOf(journal, bob)).messages.size, 1)
  })

  it('adds nothing twice when it is repeated, wherever it was interrupted', async (t) => {
    const { journal, ids, blob } = await open(t, ['ann', 'bob'])
    for (let at = 1; at <= 3; at++)
      await assert.rejects(
        receiveMail(interruptedJournal(journal, at, { piecewise: true }), testContext('c1'), incoming(ids, blob)),
        Interrupted,
      )
    for (let i = 0; i < 2; i++)
      await receiveMail(interruptedJournal(journal, 99, { piecewise: true }), testContext('c1'), incoming(ids, blob))
    for (const id of ids) assert.equal((await mailboxOf(journal, id)).messages.size, 1)
    assert.equal((await accepted(journal)).length, 1)
    for (const id of ids)
      assert.equal((await typesOf(journal, mailboxStream(id))).filter((type) => type === 'MessageReceived').length, 1)
  })

  it('takes a message for a hundred accounts with long names everywhere', async (t) => {
    const { journal, keyring, blob } = await open(t, [])
    const ids = Array.from({ length: 100 }, (_, i) => `${'abcdefghij'[i % 10]}${i}`.padEnd(26, 'x'))
    for (const id of ids) await keyring.create(id)
    const long = incoming(ids, blob)
    await receiveMail(journal, testContext('c1'), {
      ...long,
      mailFrom: `${'x'.repeat(64)}@${'y'.repeat(60)}.${'z'.repeat(60)}.${'w'.repeat(60)}.test`,
      helo: 'h'.repeat(300),
    })
    const sections = (await accepted(journal)).flatMap((event) =>
      event.type === 'MailAccepted' && !isRedacted(event) ? Object.keys(event.data.sections) : [],
    )
    assert.deepEqual(sections.sort(), [...ids].sort())
  })
})

describe('submitMessage and deliverLocally', () => {
  const message = (
    accountId: string,
    blob: Awaited<ReturnType<typeof open>>['blob'],
    recipients: readonly string[],
    sendAt?: number,
  ) => ({
    accountId,
    mailFrom: 'ann@example.test',
    recipients,
    blob,
    mail: MAIL,
    ...(sendAt === undefined ? {} : { sendAt }),
  })
  const fates = async (journal: Journal, id: string) => typesOf(journal, submissionStream(id))

  it('delivers here, keeps a Sent copy, and lets mail for elsewhere wait', async (t) => {
    const { journal, directory, ids, blob } = await open(t, ['ann', 'bob'])
    const [ann = '', bob = ''] = ids
    const outcome = await submitMessage(
      { journal, directory },
      testContext('s1'),
      message(ann, blob, ['bob@example.test', 'x@elsewhere.test', 'BOB@example.test']),
    )
    assert.ok(outcome.ok)
    assert.equal((await mailboxOf(journal, bob)).messages.size, 1)
    const sent = [...(await mailboxOf(journal, ann)).messages.values()]
    assert.deepEqual(
      sent.map(({ folderId, flags }) => [folderId, flags]),
      [[folderIdFor(ann, 'sent'), ['\\seen']]],
    )
    const types = await fates(journal, outcome.submissionId)
    assert.equal(types[0], 'MessageSubmitted')
    assert.ok(!types.includes('SubmissionCompleted'), 'one recipient still waits')
  })

  it('completes when everybody lives here, marks what was answered, and drops the draft', async (t) => {
    const { journal, directory, ids, blob } = await open(t, ['ann', 'bob'])
    const [ann = ''] = ids
    await receiveMail(journal, testContext('in'), {
      intakeId: 'i',
      mailFrom: '',
      recipients: [{ accountId: ann, address: 'ann@example.test' }],
      blob,
      mail: MAIL,
    })
    await appendMessages(journal, testContext(), ann, [
      {
        messageId: 'draft',
        folderId: folderIdFor(ann, 'drafts'),
        flags: ['\\draft'],
        receivedAt: 1,
        source: 'draft',
        mail: MAIL,
        blob,
      },
    ])
    const answered = messageIdFor('i', ann)
    const outcome = await submitMessage({ journal, directory }, testContext('s1'), {
      ...message(ann, blob, ['bob@example.test']),
      answers: answered,
      draftId: 'draft',
    })
    assert.ok(outcome.ok)
    assert.deepEqual(await fates(journal, outcome.submissionId), [
      'MessageSubmitted',
      'RecipientDelivered',
      'SubmissionCompleted',
    ])
    const { messages } = await mailboxOf(journal, ann)
    assert.deepEqual(messages.get(answered)?.flags, ['\\answered'])
    assert.equal(messages.get('draft')?.expunged, true)
  })

  it('ends the same wherever it is interrupted and repeated, on engines that commit stream by stream too', async (t) => {
    const { journal, directory, ids, blob } = await open(t, ['ann', 'bob', 'cid'])
    const [ann = '', bob = '', cid = ''] = ids
    for (const piecewise of [true, false]) {
      for (const after of [true, false]) {
        for (let at = 1; at <= (piecewise ? 6 : 2); at++) {
          const name = `s-${piecewise}-${after}-${at}`
          const input = message(ann, blob, ['bob@example.test', 'cid@example.test'])
          const before = (await mailboxOf(journal, bob)).messages.size
          await assert.rejects(
            submitMessage(
              { journal: interruptedJournal(journal, at, { piecewise, after }), directory },
              testContext(name),
              input,
            ),
            Interrupted,
          )
          const whole = piecewise ? interruptedJournal(journal, 99, { piecewise }) : journal
          const outcome = await submitMessage({ journal: whole, directory }, testContext(name), input)
          assert.ok(outcome.ok)
          await deliverLocally({ journal: whole }, outcome.submissionId, MAIL)
          assert.equal((await mailboxOf(journal, bob)).messages.size, before + 1, name)
          assert.equal((await mailboxOf(journal, cid)).messages.size, before + 1, name)
          assert.equal((await mailboxOf(journal, ann)).messages.size, before + 1, `${name}: one Sent copy`)
          assert.deepEqual(
            await fates(journal, outcome.submissionId),
            ['MessageSubmitted', 'RecipientDelivered', 'RecipientDelivered', 'SubmissionCompleted'],
            name,
          )
        }
      }
    }
  })

  it('waits for its time, and nobody can take back what is being delivered', async (t) => {
    const { journal, directory, ids, blob } = await open(t, ['ann', 'bob'])
    const [ann = '', bob = ''] = ids
    const outcome = await submitMessage(
      { journal, directory },
      testContext('s1'),
      message(ann, blob, ['bob@example.test'], 5_000),
    )
    assert.ok(outcome.ok)
    assert.equal((await mailboxOf(journal, bob)).messages.size, 0)
    const [, cancelled] = await Promise.all([
      deliverLocally({ journal }, outcome.submissionId, MAIL),
      changeSubmission(journal, testContext(), ann, { type: 'CancelSend', submissionId: outcome.submissionId }),
    ])
    const arrived = (await mailboxOf(journal, bob)).messages.size
    assert.equal(arrived, cancelled.ok ? 0 : 1, 'taken back or delivered, never both')
  })

  it('bounces for a recipient who was erased meanwhile, and delivers to the others', async (t) => {
    const { journal, directory, keyring, ids, blob } = await open(t, ['ann', 'bob', 'cid'])
    const [ann = '', bob = '', cid = ''] = ids
    const outcome = await submitMessage(
      { journal, directory },
      testContext('s1'),
      message(ann, blob, ['bob@example.test', 'cid@example.test'], 5_000),
    )
    assert.ok(outcome.ok)
    await keyring.destroy(bob)
    await deliverLocally({ journal }, outcome.submissionId, MAIL)
    assert.equal((await mailboxOf(journal, cid)).messages.size, 1)
    assert.deepEqual(await fates(journal, outcome.submissionId), [
      'MessageSubmitted',
      'RecipientBounced',
      'RecipientDelivered',
      'SubmissionCompleted',
    ])
  })

  it('refuses addresses that are none, nobody, too many; and the submissions of others', async (t) => {
    const { journal, directory, ids, blob } = await open(t, ['ann', 'bob'])
    const [ann = '', bob = ''] = ids
    const code = async (recipients: readonly string[]) => {
      const outcome = await submitMessage({ journal, directory }, testContext(), message(ann, blob, recipients))
      return outcome.ok ? 'ok' : outcome.refusal.code
    }
    assert.equal(await code(['bob']), 'bad-address')
    assert.equal(await code([]), 'no-recipients')
    assert.equal(await code(Array.from({ length: 501 }, (_, i) => `r${i}@elsewhere.test`)), 'too-many')
    assert.equal(
      await code(Array.from({ length: 480 }, (_, i) => `recipient.number.${i}@long.domain.elsewhere.test`)),
      'ok',
    )
    const waiting = await submitMessage(
      { journal, directory },
      testContext('w'),
      message(ann, blob, ['x@elsewhere.test']),
    )
    assert.ok(waiting.ok)
    const stolen = await changeSubmission(journal, testContext(), bob, {
      type: 'CancelSend',
      submissionId: waiting.submissionId,
    })
    assert.ok(!stolen.ok && stolen.refusal.code === 'no-such-submission')
  })
})

describe('appendMessages', () => {
  it('appends many in few commits, and each once', async (t) => {
    const { journal, ids, blob } = await open(t, ['ann'])
    const [ann = ''] = ids
    const messages = Array.from({ length: 50 }, (_, i) => ({
      messageId: importedMessageId(ann, 'f', Buffer.from(`${i}`)),
      folderId: folderIdFor(ann, 'inbox'),
      flags: [],
      receivedAt: i,
      source: 'import' as const,
      mail: MAIL,
      blob,
    }))
    const first = await appendMessages(journal, testContext(), ann, messages)
    assert.equal(await appendMessages(journal, testContext(), ann, messages), first)
    assert.equal((await mailboxOf(journal, ann)).messages.size, 50)
  })
})

describe('toMessageContent', () => {
  const wild = fc.oneof(
    fc.string({ maxLength: 100 }),
    fc.constantFrom(
      'x'.repeat(60_000),
      '가'.repeat(20_000),
      '\u0001'.repeat(9_000),
      '"\\'.repeat(9_000),
      '😀'.repeat(9000),
    ),
  )
  const address: fc.Arbitrary<MailAddress> = fc.record({ address: wild, name: wild, group: wild })
  const addresses = fc.oneof(
    fc.array(address, { maxLength: 3 }),
    fc.integer({ min: 1, max: 1000 }).map((n) =>
      Array.from({ length: n }, (_, i) => ({
        name: `Näme ${i} ${'n'.repeat(i % 90)}`,
        address: `address${i}@example.test`,
      })),
    ),
  )
  const leaf = (type: string): MimePart => ({
    type,
    params: { name: type },
    encoding: 'base64',
    headerStart: 1,
    bodyStart: 2,
    bodyEnd: 3,
  })
  const mail: fc.Arbitrary<MailContent> = fc
    .record({
      subject: wild,
      from: addresses,
      to: addresses,
      cc: addresses,
      sender: addresses,
      replyTo: addresses,
      bcc: addresses,
      ids: fc.array(wild, { maxLength: 20 }),
      parts: fc.nat(1000),
      odd: wild,
      text: fc.constantFrom('', 'x'.repeat(16_384), '가'.repeat(5461), '😀'.repeat(4096)),
    })
    .map(({ subject, from, to, cc, sender, replyTo, bcc, ids, parts, odd, text }) => ({
      ...MAIL,
      envelope: { subject, from, to, cc, sender, replyTo, bcc, messageId: odd, inReplyTo: ids, references: ids },
      root: {
        ...leaf(odd),
        encoding: odd,
        id: odd,
        description: odd,
        location: odd,
        language: [odd, odd, odd, odd],
        md5: odd,
        disposition: { type: odd, params: { filename: odd } },
        parts: Array.from({ length: parts }, (_, i) => leaf(`application/x-${i}`)),
      },
      attachments: Array.from({ length: parts }, (_, i) => ({
        section: `${i}`,
        filename: `${odd.slice(0, 300)}${i}`,
        type: odd.slice(0, 300),
        size: i,
        inline: false,
        contentId: odd.slice(0, 300),
      })),
      text,
      snippet: '가'.repeat(200),
      defects: Array.from({ length: 100 }, (_, i) => `defect-${i}`),
    }))

  it('fits an event whatever the message holds', async (t) => {
    const { keyring, blob, ids } = await open(t, ['ann'])
    const [ann = ''] = ids
    const sizeOf = (hostile: MailContent) => {
      const arrival = {
        messageId: 'm',
        folderId: 'f',
        flags: [],
        receivedAt: 1,
        mailFrom: 'x'.repeat(320),
        recipient: 'y'.repeat(320),
        intakeId: 'i',
      }
      const [event] = toNewEvents(
        [{ type: 'MessageReceived' as const, data: { ...arrival, content: toMessageContent(hostile, blob) } }],
        ann,
        { ...testContext(), client: { address: '::1', name: 'h'.repeat(300) } },
      )
      assert.ok(event)
      const sealed = sealEvent(mailboxStream(ann), event, keyring)
      return sealed.data.length + sealed.metadata.length
    }
    fc.assert(
      fc.property(mail, (hostile) => assert.ok(sizeOf(hostile) <= MAX_EVENT_BYTES, `${sizeOf(hostile)} bytes`)),
      { seed: 7, numRuns: 60 },
    )
  })

  it('keeps an honest message whole', () => {
    const content = toMessageContent(MAIL, { id: 'x', key: 'k', size: 1 })
    assert.deepEqual(content.envelope, MAIL.envelope)
    assert.deepEqual(content.root, MAIL.root)
    assert.equal(content.text, MAIL.text)
    assert.equal(content.defects, undefined)
  })

  it('says what was cut', () => {
    const many = Array.from({ length: 1000 }, (_, i) => ({
      name: `Name of recipient ${i}`,
      address: `recipient-${i}@example.test`,
    }))
    const content = toMessageContent(
      { ...MAIL, envelope: { ...MAIL.envelope, to: many } },
      { id: 'x', key: 'k', size: 1 },
    )
    assert.deepEqual(content.defects, ['addresses-cut'])
    assert.equal(content.envelope.to.length, 100)
    assert.deepEqual(content.root, MAIL.root)
    const parts = Array.from({ length: 1000 }, () => ({ ...MAIL.root, type: 'application/octet-stream' }))
    const bare = toMessageContent({ ...MAIL, root: { ...MAIL.root, parts } }, { id: 'x', key: 'k', size: 1 })
    assert.ok(bare.defects?.includes('structure-cut'))
    assert.equal(bare.root.parts, undefined)
  })
})
