// What must hold of the reading of any bytes whatever.
import assert from 'node:assert/strict'
import type { MailContent, MimePart } from '../../domain/mail/structure.ts'

export function assertSound(content: MailContent, size: number, name: string): void {
  assert.equal(content.size, size, name)
  assert.equal(content.root.headerStart, 0, name)
  assert.equal(content.root.bodyEnd, size, name)
  let parts = 0
  const check = (part: MimePart, from: number, to: number, depth: number): void => {
    parts++
    assert.ok(depth <= 40, `${name}: nested too deep`)
    assert.ok(from <= part.headerStart && part.headerStart <= part.bodyStart, `${name}: header range`)
    assert.ok(part.bodyStart <= part.bodyEnd && part.bodyEnd <= to, `${name}: body range`)
    assert.equal(
      part.lines === undefined,
      !(part.type.startsWith('text/') || part.type === 'message/rfc822' || part.type === 'message/global'),
      `${name}: lines of ${part.type}`,
    )
    let at = part.bodyStart
    for (const child of part.parts ?? []) {
      check(child, at, part.bodyEnd, depth + 1)
      at = child.bodyEnd
    }
    if (part.parts !== undefined) assert.ok(part.parts.length > 0 && part.type.startsWith('multipart/'), name)
    if (part.message !== undefined) {
      assert.deepEqual([part.message.root.headerStart, part.message.root.bodyEnd], [part.bodyStart, part.bodyEnd], name)
      check(part.message.root, part.bodyStart, part.bodyEnd, depth + 1)
    }
  }
  check(content.root, 0, size, 0)
  assert.ok(parts <= 2100, `${name}: too many parts`)
  assert.ok(Buffer.byteLength(content.text) <= 16 * 1024, `${name}: too much text`)
  assert.ok(content.text.isWellFormed() && content.text.normalize('NFC') === content.text, `${name}: text`)
  assert.ok(
    content.snippet.length <= 200 && !/[\r\n]/.test(content.snippet) && content.snippet.isWellFormed(),
    `${name}: snippet`,
  )
  for (const { filename, size: bytes } of content.attachments) {
    assert.ok(filename !== '' && filename.length <= 255 && !/[\r\n\0/]/.test(filename), `${name}: file name`)
    assert.ok(Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= size, `${name}: size of a file`)
  }
  assert.ok(!/[\r\n\0]/.test(content.envelope.subject), `${name}: subject`)
}
