import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { normalizeAddress, parseAddress, parseAddressList, splitTag } from '../../domain/mail/address.ts'

describe('address lists (RFC 5322 §3.4)', () => {
  const cases: readonly (readonly [string, readonly object[]])[] = [
    ['john@Example.COM', [{ address: 'john@example.com' }]],
    ['John Doe <John@example.com>', [{ name: 'John Doe', address: 'John@example.com' }]],
    [
      '"Doe, John" <j@example.com>, b@example.com',
      [{ name: 'Doe, John', address: 'j@example.com' }, { address: 'b@example.com' }],
    ],
    ['j@example.com (John Doe)', [{ name: 'John Doe', address: 'j@example.com' }]],
    ['"a \\"b\\" c" <x@y>', [{ name: 'a "b" c', address: 'x@y' }]],
    ['=?utf-8?B?7JWI64WV?= <x@y>', [{ name: '안녕', address: 'x@y' }]],
    ['"=?utf-8?B?7JWI64WV?=" <x@y>', [{ name: '안녕', address: 'x@y' }]],
    ['=?utf-8?Q?a,_b?= <x@y>', [{ name: 'a, b', address: 'x@y' }]],
    ['=?utf-8?Q?a,b?= <x@y>', [{ name: 'a,b', address: 'x@y' }]],
    ['안녕 <x@y>', [{ name: '안녕', address: 'x@y' }]],
    [
      'A Group:Ed <e@x>,joe@x;',
      [
        { name: 'Ed', address: 'e@x', group: 'A Group' },
        { address: 'joe@x', group: 'A Group' },
      ],
    ],
    ['Undisclosed recipients:;', [{ address: '', group: 'Undisclosed recipients' }]],
    ['g:;, a@b', [{ address: '', group: 'g' }, { address: 'a@b' }]],
    ['Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>', [{ name: 'Pete', address: 'pete@silly.test' }]],
    ['john . doe @ example . com', [{ address: 'john.doe@example.com' }]],
    ['<@a.test,@b.test:c@d.test>', [{ address: 'c@d.test' }]],
    ['"john doe"@example.com', [{ address: '"john doe"@example.com' }]],
    ['John Doe john@example.com', [{ name: 'John Doe', address: 'john@example.com' }]],
    ['x@[127.0.0.1]', [{ address: 'x@[127.0.0.1]' }]],
    ['John <john@example.com, b@c', [{ name: 'John', address: 'john@example.com' }, { address: 'b@c' }]],
    ['a@b; c@d', [{ address: 'a@b' }, { address: 'c@d' }]],
    ['<a@b> <c@d>', [{ address: 'a@b' }, { address: 'c@d' }]],
    ['just words', [{ name: 'just words', address: '' }]],
    ['<>', []],
    [' , ,', []],
    ['', []],
  ]
  for (const [written, read] of cases)
    test(written || '(empty)', () => assert.deepEqual(parseAddressList(written), read))

  test('parseAddress gives the first one that is an address', () => {
    assert.deepEqual(parseAddress('words, a@b'), { address: 'a@b' })
    assert.equal(parseAddress('words'), undefined)
  })
})

describe('one address for SMTP and logins (RFC 5321)', () => {
  const good: readonly (readonly [string, string])[] = [
    ['John.Doe@Example.COM', 'John.Doe@example.com'],
    [' a@b ', 'a@b'],
    ['"quoted"@example.com', 'quoted@example.com'],
    ['"two words"@example.com', '"two words"@example.com'],
    ['a+tag@example.com.', 'a+tag@example.com'],
    ['x@[IPv6:::1]', 'x@[ipv6:::1]'],
    ['사람@예시.한국', '사람@xn--vv4b11d.xn--3e0b707e'],
    ['u@BÜCHER.example', 'u@xn--bcher-kva.example'],
  ]
  for (const [written, read] of good) test(written, () => assert.equal(normalizeAddress(written)?.address, read))

  const bad = [
    'a',
    '@b',
    'a@',
    'a b@c',
    'a..b@c',
    '.a@c',
    'a.@c',
    'a@b c',
    'a@-b.c',
    'a@b_-.c',
    'a@b..c',
    '<a@b>',
    'a@b@',
    'a\r\n@b',
    'a@b\r\nc',
    'a@[x]',
    `${'a'.repeat(65)}@b`,
    `a@${'b'.repeat(64)}.c`,
    `a@${'b.'.repeat(128)}c`,
    'a@b/c',
    'a@b:25',
    '"a\u0000"@b',
    'a\u2028b@c',
    'a@b%2ec',
  ]
  for (const written of bad)
    test(`not ${JSON.stringify(written.slice(0, 30))}`, () => assert.equal(normalizeAddress(written), undefined))

  test('what comes out goes in again unchanged', () => {
    for (const [written] of good) {
      const once = normalizeAddress(written)
      assert.deepEqual(normalizeAddress(once?.address ?? ''), once)
    }
  })
})

test('a tag is what follows the first separator', () => {
  assert.deepEqual(splitTag('user+a+b'), { user: 'user', tag: 'a+b' })
  assert.deepEqual(splitTag('user'), { user: 'user', tag: undefined })
  assert.deepEqual(splitTag('+x'), { user: '+x', tag: undefined })
  assert.deepEqual(splitTag('u-t', '-'), { user: 'u', tag: 't' })
})
