// Files that must not reach an inbox: by content, by name, in archives within archives; and archives that are weapons themselves.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deflateRawSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { hasOleMacros, isEncryptedArchive, kindOf, nameFault } from '../../domain/filter/files.ts'
import { factsOf } from '../../domain/filter/signals.ts'
import { readMail } from '../../domain/mail/read.ts'
import type { ArchiveLimits } from '../../infra/adapters/mail-filter/archives.ts'
import { DEFAULT_ARCHIVE_LIMITS } from '../../infra/adapters/mail-filter/archives.ts'
import { AttachmentFilter } from '../../infra/adapters/mail-filter/attachments.ts'

const EICAR = Buffer.from('X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*')
const PROGRAM = Buffer.concat([Buffer.from('MZ'), Buffer.alloc(200, 1)])

interface Packed {
  readonly name: string
  readonly bytes: Uint8Array
  readonly encrypted?: boolean
  readonly deflated?: boolean
}

/** A zip archive, written by hand so that it can lie. */
function zip(files: readonly Packed[]): Buffer {
  const bodies: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { name, bytes, encrypted = false, deflated = true } of files) {
    const data = deflated ? deflateRawSync(bytes) : Buffer.from(bytes)
    const label = Buffer.from(name)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(encrypted ? 0x801 : 0x800, 2)
    common.writeUInt16LE(deflated ? 8 : 0, 4)
    common.writeUInt32LE(data.length, 14)
    common.writeUInt32LE(bytes.length, 18)
    common.writeUInt16LE(label.length, 22)
    bodies.push(Buffer.from('PK\x03\x04'), common, label, data)
    const entry = Buffer.alloc(46)
    entry.write('PK\x01\x02', 'latin1')
    common.copy(entry, 6)
    entry.writeUInt32LE(offset, 42)
    directory.push(entry, label)
    offset += 4 + 26 + label.length + data.length
  }
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(files.length, 8)
  end.writeUInt16LE(files.length, 10)
  end.writeUInt32LE(Buffer.concat(directory).length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...bodies, ...directory, end])
}

function tar(name: string, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(512)
  head.write(name)
  head.write(bytes.length.toString(8).padStart(11, '0'), 124)
  head.write('0', 156)
  head.write('ustar', 257)
  return Buffer.concat([head, bytes, Buffer.alloc(511 - ((bytes.length + 511) % 512) + 1024)])
}

function mailWith(name: string, bytes: Uint8Array): Buffer {
  const body = Buffer.from(bytes).toString('base64').replace(/.{76}/g, '$&\r\n')
  return Buffer.from(
    `From: a@b.test\r\nSubject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee there\r\n--b\r\n` +
      `Content-Type: application/octet-stream; name="${name}"\r\nContent-Disposition: attachment; filename*=utf-8''${encodeURIComponent(name)}\r\n` +
      `Content-Transfer-Encoding: base64\r\n\r\n${body}\r\n--b--\r\n`,
  )
}

async function check(raw: Buffer, limits: Partial<ArchiveLimits> = {}, large = false) {
  const mail = readMail(raw)
  const beginning = large ? raw.subarray(0, 300) : raw
  async function* read() {
    for (let at = 0; at < raw.length; at += 1000) yield raw.subarray(at, at + 1000)
  }
  const filter = new AttachmentFilter({ ...DEFAULT_ARCHIVE_LIMITS, ...limits })
  const { opinion } = await filter.check(
    {
      ...{ intakeId: 'i', mailFrom: '', recipients: [], remoteAddress: '192.0.2.1', helo: 'x', at: 0 },
      ...{ mail, facts: factsOf(beginning, mail), size: raw.length, beginning, read },
    },
    AbortSignal.timeout(10_000),
  )
  return { ...opinion, rules: opinion.reasons.map(({ rule }) => rule).sort() }
}

describe('attachments', () => {
  it('are held when they are programs by their bytes, whatever they are called', async () => {
    const elf = Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46]), Buffer.alloc(100)])
    const mach = Buffer.concat([Buffer.from([0xcf, 0xfa, 0xed, 0xfe]), Buffer.alloc(100)])
    const lnk = Buffer.concat([Buffer.from([0x4c, 0, 0, 0, 1, 0x14, 2, 0]), Buffer.alloc(100)])
    const iso = Buffer.alloc(0x8010)
    iso.write('CD001', 0x8001)
    for (const bytes of [PROGRAM, elf, mach, lnk, iso, Buffer.from('#!/bin/sh\nrm -rf /\n')]) {
      const found = await check(mailWith('report.pdf', bytes))
      assert.deepEqual([found.action, found.rules, found.malware], ['quarantine', ['executable'], undefined])
    }
    const fine = await check(mailWith('report.pdf', Buffer.from('%PDF-1.7 nothing')))
    assert.deepEqual([fine.action, fine.rules], [undefined, []])
  })

  it('are held for names that lie or that run', () => {
    const faults = (name: string) => nameFault(name)?.rule
    assert.equal(faults('invoice.pdf.exe'), 'double-extension')
    assert.equal(faults('holiday.jpg          .scr'), 'double-extension')
    assert.equal(faults('ann\u202efdp.exe'), 'hidden-extension')
    assert.equal(faults('setup.exe. '), 'runnable-extension')
    for (const name of ['a.js', 'a.HTA', 'a.lnk', 'a.iso', 'a.vbs', 'a.jar'])
      assert.equal(faults(name), 'runnable-extension')
    for (const name of ['report.final.pdf', 'v1.2.tar.gz', 'notes', 'a.json', 'photo.jpeg'])
      assert.equal(faults(name), undefined)
  })

  it('know the EICAR test file, alone, in archives, in large messages', async () => {
    const nested = zip([{ name: 'inner.zip', bytes: zip([{ name: 'x.txt', bytes: EICAR }]) }])
    for (const [name, bytes] of [
      ['eicar.txt', EICAR],
      ['a.zip', nested],
      ['a.tar.gz', gzipSync(tar('x.txt', EICAR))],
    ] as const) {
      for (const large of [false, true]) {
        const found = await check(mailWith(name, bytes), {}, large)
        assert.deepEqual(
          [found.action, found.malware, found.rules],
          ['quarantine', true, ['eicar']],
          `${name} ${large}`,
        )
      }
    }
    const body = Buffer.from(`From: a@b.test\r\nSubject: s\r\n\r\n${EICAR.toString()}\r\n`)
    assert.equal((await check(body)).malware, true)
  })

  it('are looked for in archives, and in encrypted ones by their names', async () => {
    const program = await check(mailWith('a.zip', zip([{ name: 'readme.txt', bytes: PROGRAM }])))
    assert.deepEqual(program.rules, ['executable'])
    const secret = await check(mailWith('a.zip', zip([{ name: 'invoice.exe', bytes: PROGRAM, encrypted: true }])))
    assert.deepEqual([secret.action, secret.rules], ['quarantine', ['encrypted-program']])
    const document = await check(mailWith('a.zip', zip([{ name: 'letter.pdf', bytes: PROGRAM, encrypted: true }])))
    assert.deepEqual([document.action, document.rules], [undefined, ['encrypted-archive']])
  })

  it('are held when they are documents with macros', async () => {
    const package_ = (name: string) =>
      zip([
        { name: '[Content_Types].xml', bytes: Buffer.from('<x/>') },
        { name, bytes: Buffer.from('x') },
      ])
    assert.deepEqual((await check(mailWith('a.docm', package_('word/vbaProject.bin')))).rules, ['macro'])
    assert.deepEqual((await check(mailWith('a.docx', package_('word/document.xml')))).rules, [])
    const ole = Buffer.concat([Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]), Buffer.alloc(600)])
    const macros = Buffer.concat([ole, Buffer.from('_VBA_PROJECT', 'utf16le'), Buffer.alloc(100)])
    assert.equal(hasOleMacros(ole), false)
    assert.deepEqual((await check(mailWith('a.doc', macros))).rules, ['macro'])
  })

  it('are told when 7z and RAR archives are encrypted', () => {
    const seven = Buffer.concat([Buffer.from([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, 0, 4]), Buffer.alloc(40)])
    assert.equal(kindOf(seven), '7z')
    assert.equal(isEncryptedArchive('7z', seven), false)
    assert.equal(isEncryptedArchive('7z', Buffer.concat([seven, Buffer.from([0x06, 0xf1, 0x07, 0x01])])), true)
    const rar4 = Buffer.concat([
      Buffer.from('Rar!\x1a\x07\x00', 'latin1'),
      Buffer.from([0, 0, 0x73, 0x80, 0, 13, 0]),
      Buffer.alloc(20),
    ])
    assert.equal(kindOf(rar4), 'rar')
    assert.equal(isEncryptedArchive('rar', rar4), true)
    const rar5 = Buffer.concat([
      Buffer.from('Rar!\x1a\x07\x01\x00', 'latin1'),
      Buffer.from([1, 2, 3, 4, 0x21, 4, 0, 0]),
      Buffer.alloc(40),
    ])
    assert.equal(isEncryptedArchive('rar', rar5), true)
  })

  it('cannot cost much: bombs by ratio, by bytes, by entries and by depth are held', async () => {
    const zeros = zip([{ name: 'zeros.bin', bytes: Buffer.alloc(20 * 1024 * 1024) }])
    const before = process.cpuUsage()
    assert.deepEqual((await check(mailWith('bomb.zip', zeros))).rules, ['archive-bomb'])
    assert.deepEqual((await check(mailWith('bomb.gz', gzipSync(Buffer.alloc(20 * 1024 * 1024))))).rules, [
      'archive-bomb',
    ])
    const { user } = process.cpuUsage(before)
    assert.ok(user < 2_000_000, `${user} µs`)
    const many = zip(Array.from({ length: 50 }, (_, i) => ({ name: `${i}.txt`, bytes: Buffer.from('x') })))
    assert.deepEqual((await check(mailWith('many.zip', many), { entries: 20 })).rules, ['archive-bomb'])
    assert.deepEqual(
      (await check(mailWith('large.zip', zip([{ name: 'a', bytes: Buffer.alloc(5000, 'ab') }])), { bytes: 1000 }))
        .rules,
      ['archive-bomb'],
    )
    let deep: Buffer = zip([{ name: 'a.txt', bytes: Buffer.from('x') }])
    for (let i = 0; i < 6; i++) deep = zip([{ name: 'b.zip', bytes: deep }])
    assert.deepEqual((await check(mailWith('deep.zip', deep))).rules, ['archive-bomb'])
  })

  it('may hold any bytes: an answer comes, and nothing throws', async () => {
    const magic = fc.constantFrom('', 'PK\x03\x04', '\x1f\x8b\x08', 'Rar!\x1a\x07\x01\x00', '7z\xbc\xaf\x27\x1c', 'MZ')
    await fc.assert(
      fc.asyncProperty(magic, fc.uint8Array({ maxLength: 400 }), fc.string(), async (head, tail, name) => {
        const bytes = Buffer.concat([Buffer.from(head, 'latin1'), tail])
        const { score } = await check(mailWith(name.toWellFormed(), bytes))
        assert.ok(Number.isFinite(score))
        kindOf(bytes)
        isEncryptedArchive('rar', bytes)
      }),
      { numRuns: 150, seed: 7 },
    )
    const valid = zip([{ name: 'a.txt', bytes: Buffer.alloc(300, 'abc') }])
    await fc.assert(
      fc.asyncProperty(fc.nat(valid.length - 1), fc.nat(255), async (at, byte) => {
        const broken = Buffer.from(valid)
        broken[at] = byte
        await check(mailWith('a.zip', broken))
      }),
      { numRuns: 150, seed: 8 },
    )
  })
})
