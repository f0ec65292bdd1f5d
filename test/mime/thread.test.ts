import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readMail } from '../../domain/mail/read.ts'
import { baseSubject, threadKey } from '../../domain/mail/thread.ts'

describe('base subjects', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['Hello  World', 'hello world', false],
    ['Re: Hello', 'hello', true],
    ['RE[2]: hello', 'hello', true],
    ['Re(3): hello', 'hello', true],
    ['Re: Fwd: AW: WG: SV: VS: Antw: hello', 'hello', true],
    ['답장: 회신: 전달: 안녕', '안녕', true],
    ['回复：你好', '你好', true],
    ['[list] hello', '[list] hello', false],
    ['Re: [list] hello', '[list] hello', true],
    ['[list] Re: hello', '[list] hello', true],
    ['Re: [list] Re: [list] hello', '[list] hello', true],
    ['hello (fwd)', 'hello', true],
    ['[Fwd: hello]', 'hello', true],
    ['Regarding: hello', 'regarding: hello', false],
    ['Ｒｅ： Ｆｕｌｌ', 'full', true],
    ['Re:', '', true],
    ['', '', false],
    ['re hello', 're hello', false],
  ]
  for (const [written, subject, marked] of cases)
    test(JSON.stringify(written), () => assert.deepEqual(baseSubject(written), { subject, marked }))
})

test('the key takes the parent from In-Reply-To when References lacks it', () => {
  const key = threadKey(readMail(Buffer.from('Subject: x\r\nReferences: <a@b>\r\nIn-Reply-To: <c@d>\r\n\r\n')).envelope)
  assert.deepEqual(key, { references: ['a@b', 'c@d'], subject: 'x', isReply: true })
  assert.deepEqual(threadKey(readMail(Buffer.from('Subject: x\r\n\r\n')).envelope), {
    references: [],
    subject: 'x',
    isReply: false,
  })
})
