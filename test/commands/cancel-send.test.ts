// Mail that is taken back is a draft again, in the same commit; too late it stays what it is.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { cancelSend } from '../../commands/cancel-send.ts'
import { contextOf } from '../../commands/context.ts'
import { derivedId } from '../../commands/identity.ts'
import { folderIdFor } from '../../commands/open-account.ts'
import { mailboxStream, submissionStream } from '../../domain/log.ts'
import { START, startHarness } from '../delivery/harness.ts'
import { mailboxOf, StaleSnapshots, typesOf } from '../support/journal.ts'
import { startSink } from '../support/smtp-sink.ts'

async function start(t: TestContext) {
  const harness = await startHarness(t)
  const ann = harness.ids['ann'] ?? ''
  const ports = { journal: harness.journal, snapshots: new StaleSnapshots(harness.journal) }
  const cancel = (id: string, who = ann) => cancelSend(ports, contextOf(who, 'graphql', { at: START }), who, id)
  const message = async (id: string) =>
    (await mailboxOf(harness.journal, ann)).messages.get(derivedId('sent', id)) ?? assert.fail('no Sent copy')
  return { ...harness, ann, cancel, message }
}

describe('taking back', () => {
  it('before it leaves makes the Sent copy a draft', async (t) => {
    const { submit, cancel, message, ann, ids, journal } = await start(t)
    const id = await submit(['a@elsewhere.test'], { sendAt: START + 10_000 })
    assert.equal((await message(id)).folderId, folderIdFor(ann, 'sent'))
    const other = await cancel(id, ids['bob'])
    assert.equal(other.ok || other.refusal.code, 'no-such-submission')
    const outcome = await cancel(id)
    assert.ok(outcome.ok)
    assert.equal(outcome.messageId, derivedId('sent', id))
    const { folderId, flags } = await message(id)
    assert.equal(folderId, folderIdFor(ann, 'drafts'))
    assert.deepEqual(flags, ['\\draft', '\\seen'])
    assert.equal(outcome.revision, await journal.lastRevision(mailboxStream(ann)))
  })

  it('too late changes nothing', async (t) => {
    const sink = await startSink(t)
    const { submit, cancel, message, lead, start: deliver, until, ann } = await start(t)
    lead(sink, 'elsewhere.test')
    deliver()
    const id = await submit(['a@elsewhere.test'])
    await until(id, 'SubmissionCompleted')
    const outcome = await cancel(id)
    assert.equal(outcome.ok || outcome.refusal.code, 'already-handed-over')
    const { folderId, flags } = await message(id)
    assert.deepEqual([folderId, flags], [folderIdFor(ann, 'sent'), ['\\seen']])
  })

  it('twice is taking back once', async (t) => {
    const { submit, cancel, journal, ann } = await start(t)
    const id = await submit(['a@elsewhere.test'], { sendAt: START + 10_000 })
    await cancel(id)
    const before = await journal.lastRevision(mailboxStream(ann))
    const again = await cancel(id)
    assert.ok(again.ok)
    assert.equal(again.messageId, derivedId('sent', id))
    assert.equal(await journal.lastRevision(mailboxStream(ann)), before)
    assert.deepEqual(await typesOf(journal, submissionStream(id)), [
      'MessageSubmitted',
      'SendCancelled',
      'SubmissionCompleted',
    ])
  })
})
