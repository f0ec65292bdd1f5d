// Accounts: opened once whatever interrupts it, found by their addresses, erased for good.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { changeAccount, eraseAccount, finishErasures } from '../../commands/change-account.ts'
import { addAddress, addDomain, folderIdFor, openAccount, STANDARD_FOLDERS } from '../../commands/open-account.ts'
import { BlobError } from '../../commands/ports/blob-store.ts'
import { receiveMail } from '../../commands/receive-mail.ts'
import { accountStream, addressStream, isRedacted, mailboxStream } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
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

async function open(t: TestContext) {
  const parts = await openJournal(t)
  const directory = new FakeDirectory()
  return { ...parts, directory, ports: { journal: parts.journal, keyring: parts.keyring, directory } }
}
const kim = { address: 'Kim@Example.TEST', name: 'Kim' }

describe('openAccount', () => {
  it('makes key, claim, account and the folders of every mailbox', async (t) => {
    const { ports, journal, keyring } = await open(t)
    const outcome = await openAccount(ports, testContext(), kim)
    assert.ok(outcome.ok)
    const { accountId, address } = outcome
    assert.equal(address, 'kim@example.test')
    assert.ok(keyring.dataKey(accountId))
    assert.deepEqual(await typesOf(journal, accountStream(accountId)), ['AccountOpened', 'AddressAdded'])
    const { folders } = await mailboxOf(journal, accountId)
    for (const { role, name } of STANDARD_FOLDERS) assert.equal(folders.get(folderIdFor(accountId, role))?.name, name)
  })

  it('refuses what is no address, another domain, a taken address, an endless name; and leaves no key behind', async (t) => {
    const { ports, keyring } = await open(t)
    const made: string[] = []
    const watched = {
      ...ports,
      keyring: Object.assign(Object.create(keyring) as typeof keyring, {
        create: (id: string) => {
          made.push(id)
          return keyring.create(id)
        },
        destroy: (id: string) => keyring.destroy(id),
        dataKey: (id: string) => keyring.dataKey(id),
        nameHash: (text: string) => keyring.nameHash(text),
      }),
    }
    const code = async (input: { address: string; name?: string }) => {
      const outcome = await openAccount(watched, testContext(), input)
      return outcome.ok ? 'ok' : outcome.refusal.code
    }
    assert.equal(await code({ address: 'kim' }), 'bad-address')
    assert.equal(await code({ address: 'kim@elsewhere.test' }), 'no-such-domain')
    assert.equal(await code({ address: 'kim@example.test', name: 'x'.repeat(5000) }), 'bad-value')
    assert.deepEqual(made, [])
    assert.equal(await code(kim), 'ok')
    assert.equal(await code(kim), 'address-taken')
    assert.equal(made.filter((id) => keyring.dataKey(id)).length, 1)
  })

  it('answers the same account when its command is retried', async (t) => {
    const { ports, journal } = await open(t)
    const first = await openAccount(ports, testContext('open'), kim)
    const again = await openAccount(ports, testContext('open'), kim)
    assert.deepEqual(again, first)
    assert.ok(first.ok)
    assert.equal((await typesOf(journal, accountStream(first.accountId))).length, 2)
  })

  it('finishes what was interrupted, at every step, answered or not', async (t) => {
    const { ports, journal, keyring } = await open(t)
    for (const piecewise of [false, true]) {
      for (const after of [false, true]) {
        for (let at = 1; at <= (piecewise ? 3 : 2); at++) {
          const address = `k${at}-${after}-${piecewise}@example.test`
          const broken = interruptedJournal(journal, at, { after, piecewise })
          await assert.rejects(openAccount({ ...ports, journal: broken }, testContext(), { address }), Interrupted)
          const finished = at === (piecewise ? 3 : 2) && after
          const again = await openAccount(
            { ...ports, journal: piecewise ? interruptedJournal(journal, 99, { piecewise }) : journal },
            testContext(),
            { address },
          )
          if (finished) {
            assert.ok(!again.ok && again.refusal.code === 'address-taken', 'it was open: only the answer was lost')
            continue
          }
          assert.ok(again.ok, `${address}: ${JSON.stringify(again)}`)
          assert.ok(keyring.dataKey(again.accountId))
          assert.deepEqual(await typesOf(journal, accountStream(again.accountId)), ['AccountOpened', 'AddressAdded'])
          assert.equal((await mailboxOf(journal, again.accountId)).folders.size, STANDARD_FOLDERS.length)
          assert.equal((await typesOf(journal, addressStream(keyring.nameHash(address)))).length, 1)
        }
      }
    }
  })

  it('gives an address to one of many who ask at once', async (t) => {
    const { ports } = await open(t)
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => openAccount(ports, testContext(), kim)))
    assert.ok(outcomes.some(({ ok }) => ok))
    assert.equal(new Set(outcomes.flatMap((outcome) => (outcome.ok ? [outcome.accountId] : []))).size, 1)
  })
})

describe('addDomain and addAddress', () => {
  it('add a domain once', async (t) => {
    const { ports } = await open(t)
    assert.deepEqual(await addDomain(ports, testContext(), 'Bücher.Example'), {
      ok: true,
      domain: 'xn--bcher-kva.example',
      added: true,
    })
    const again = await addDomain(ports, testContext(), 'bücher.example')
    assert.ok(again.ok && !again.added)
    const bad = await addDomain(ports, testContext(), 'not a domain')
    assert.ok(!bad.ok && bad.refusal.code === 'bad-domain')
  })

  it('give an account an alias and a catch-all, once, and nobody else', async (t) => {
    const { ports, journal } = await open(t)
    const kims = await openAccount(ports, testContext(), kim)
    const lees = await openAccount(ports, testContext(), { address: 'lee@example.test' })
    assert.ok(kims.ok && lees.ok)
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(await addAddress(ports, testContext(), kims.accountId, 'Sales@example.test'), {
        ok: true,
        address: 'sales@example.test',
      })
      assert.deepEqual(await addAddress(ports, testContext(), kims.accountId, '@example.test'), {
        ok: true,
        address: '@example.test',
      })
    }
    const events = await eventsOf(journal, accountStream(kims.accountId))
    const kinds = events.flatMap((event) =>
      event.type === 'AddressAdded' && !isRedacted(event) ? [event.data.kind] : [],
    )
    assert.deepEqual(kinds, ['primary', 'alias', 'catch-all'])
    for (const address of ['sales@example.test', '@example.test', 'kim@example.test']) {
      const taken = await addAddress(ports, testContext(), lees.accountId, address)
      assert.ok(!taken.ok && taken.refusal.code === 'address-taken', address)
    }
    for (const [text, code] of [
      ['nonsense', 'bad-address'],
      ['a@elsewhere.test', 'no-such-domain'],
    ] as const) {
      const refused = await addAddress(ports, testContext(), lees.accountId, text)
      assert.ok(!refused.ok && refused.refusal.code === code)
    }
  })
})

describe('changeAccount', () => {
  it('lets writers who race all win, one after the other', async (t) => {
    const { ports, journal } = await open(t)
    const opened = await openAccount(ports, testContext(), kim)
    assert.ok(opened.ok)
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        changeAccount(journal, testContext(), opened.accountId, {
          type: 'AddAppPassword',
          appPasswordId: `p${i}`,
          label: 'x',
          hash: 'h',
        }),
      ),
    )
    assert.ok(
      outcomes.every(({ ok }) => ok),
      JSON.stringify(outcomes.find(({ ok }) => !ok)),
    )
    assert.equal((await typesOf(journal, accountStream(opened.accountId))).length, 10)
  })
})

describe('finishErasures', () => {
  it('destroys the keys that an interrupted erasure left, and no others', async (t) => {
    const { journal, keyring } = await openJournal(t)
    for (const account of ['gone', 'stays']) await keyring.create(account)
    assert.deepEqual(await finishErasures(keyring, ['gone', 'gone-before']), ['gone'])
    assert.deepEqual(await finishErasures(keyring, ['gone', 'gone-before']), [])
    assert.deepEqual([keyring.dataKey('gone'), keyring.dataKey('stays')?.length], [undefined, 32])
    assert.equal(await journal.lastRevision('account-gone'), undefined)
  })
})

describe('eraseAccount', () => {
  const raw = Buffer.from('Subject: secret\r\n\r\nvery secret\r\n')
  async function withMail(t: TestContext) {
    const parts = await open(t)
    const opened = await openAccount(parts.ports, testContext(), kim)
    assert.ok(opened.ok)
    const { accountId } = opened
    const blob = await parts.blobs.put(raw)
    await receiveMail(parts.journal, testContext(), {
      intakeId: 'i1',
      mailFrom: 'a@b.test',
      recipients: [{ accountId, address: 'kim@example.test' }],
      blob,
      mail: readMail(raw),
    })
    return { ...parts, accountId, blob }
  }

  it('refuses under a legal hold, and the key stays', async (t) => {
    const { journal, keyring, accountId } = await withMail(t)
    await changeAccount(journal, testContext(), accountId, { type: 'PlaceLegalHold', holdId: 'h', reason: 'court' })
    const outcome = await eraseAccount({ journal, keyring }, testContext(), accountId)
    assert.ok(!outcome.ok && outcome.refusal.code === 'under-legal-hold')
    assert.ok(keyring.dataKey(accountId))
    assert.ok((await eventsOf(journal, mailboxStream(accountId))).every((event) => !isRedacted(event)))
  })

  it('makes every event of the account redacted, and its key is gone from the blobs too', async (t) => {
    const { journal, keyring, blobs, accountId, blob } = await withMail(t)
    assert.ok((await eraseAccount({ journal, keyring }, testContext(), accountId)).ok)
    assert.equal(keyring.dataKey(accountId), undefined)
    const events = [
      ...(await eventsOf(journal, mailboxStream(accountId))),
      ...(await eventsOf(journal, accountStream(accountId))),
    ]
    assert.equal(events.length, 10)
    assert.ok(events.every(isRedacted))
    assert.doesNotMatch(
      JSON.stringify(events, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
      /secret|kim/i,
    )
    // The only key to the blob was in those events.
    await assert.rejects(
      blobs.read({ ...blob, key: Buffer.alloc(32).toString('base64') }),
      (error) => error instanceof BlobError && error.code === 'corrupt',
    )
  })

  it('may be repeated, also after an interruption before the key was destroyed; nothing can be written afterwards', async (t) => {
    const { journal, keyring, accountId } = await withMail(t)
    const stuck = {
      dataKey: keyring.dataKey.bind(keyring),
      nameHash: keyring.nameHash.bind(keyring),
      create: keyring.create.bind(keyring),
      destroy: () => Promise.reject(new Interrupted()),
    }
    await assert.rejects(eraseAccount({ journal, keyring: stuck }, testContext(), accountId), Interrupted)
    assert.ok(keyring.dataKey(accountId))
    for (let i = 0; i < 2; i++) assert.ok((await eraseAccount({ journal, keyring }, testContext(), accountId)).ok)
    assert.equal(keyring.dataKey(accountId), undefined)
    const outcome = await changeAccount(journal, testContext(), accountId, { type: 'ChangeQuota', bytes: 1 })
    assert.ok(!outcome.ok && outcome.refusal.code === 'erased')
    await assert.rejects(
      receiveMail(journal, testContext(), {
        intakeId: 'i2',
        mailFrom: '',
        recipients: [{ accountId, address: 'kim@example.test' }],
        blob: { id: 'ff', key: '', size: 1 },
        mail: readMail(raw),
      }),
      { name: 'NoDataKey' },
    )
  })

  it('refuses an account that never was', async (t) => {
    const { journal, keyring } = await open(t)
    const outcome = await eraseAccount({ journal, keyring }, testContext(), 'nobody')
    assert.ok(!outcome.ok && outcome.refusal.code === 'no-such-account')
  })
})
