// The hand-written reference pages against the code that they are about.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { VERBS } from '../../gateways/cli/help.ts'
import { SIGNED_IN } from '../../gateways/imap/capabilities.ts'
import { loadConfig, PORT_NAMES } from '../../infra/config.ts'
import { DELIVERY_KEYS } from '../../infra/delivery-settings.ts'
import { FILTER_KEYS } from '../../infra/filter-settings.ts'
import { TELEMETRY_KEYS } from '../../infra/telemetry/telemetry-settings.ts'
import { temporaryFolder } from '../support/folders.ts'
import { COMMAND_LINE_PAGE, commandLinePage } from './generate.ts'
import { ROOT, textOf } from './pages.ts'

/** Cells of the table rows of a page, without heads and rules. */
function rowsOf(page: string): readonly (readonly string[])[] {
  const rows = textOf(page).matchAll(/^\| (.+) \|$/gm)
  return [...rows].map((row) => (row[1] as string).split(' | ').map((cell) => cell.trim()))
}

const codeIn = (cell: string | undefined): readonly string[] =>
  [...(cell ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] as string)

describe('docs/reference/command-line.md', () => {
  it('is what the help says now; if not: npm run docs', () => {
    assert.equal(readFileSync(COMMAND_LINE_PAGE, 'utf8'), commandLinePage())
  })
})

describe('docs/reference/settings.md', () => {
  const settings = rowsOf('docs/reference/settings.md')
    .filter(([key]) => key?.startsWith('`'))
    .flatMap(([keys, variable, standard]) =>
      codeIn(keys).map((key) => ({ key, variable: codeIn(variable)[0], standard: standard ?? '' })),
    )
  const at = (config: object, key: string): unknown =>
    key.split('.').reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], config)

  it('has every key that a file may hold, and no other', () => {
    const folder = temporaryFolder()
    const sections = new Map([
      ['ports', [...PORT_NAMES]],
      ['engines', Object.keys(loadConfig({}, {}, folder).engines)],
      ['tls', ['key', 'cert']],
      ['dns', ['servers', 'validating']],
      ['delivery', DELIVERY_KEYS],
      ['pop3', ['sharing']],
      ['filter', FILTER_KEYS],
      ['telemetry', TELEMETRY_KEYS],
    ] as const)
    const known = keysNamedBy(() => loadConfig({ file: fileWith(folder, 'nonsense: 1') }, {}, folder))
    const all = known.flatMap((key) => sections.get(key as 'tls')?.map((name) => `${key}.${name}`) ?? key)
    assert.deepEqual(settings.map(({ key }) => key).sort(), all.sort())
  })

  it('says the defaults', () => {
    const folder = temporaryFolder()
    const config = loadConfig({}, {}, folder)
    for (const { key, standard } of settings) {
      const value = at(config, key)
      if (key === 'data') assert.equal(value, join(folder, 'data'))
      else if (key === 'roles')
        assert.match(textOf('docs/reference/settings.md'), new RegExp(config.roles.join('`, `')))
      else if (value === undefined) assert.doesNotMatch(standard, /^`[^`/]+`$/, `${key} has no default in the code`)
      else assert.deepEqual(codeIn(standard), [String(value)], key)
    }
  })

  it('says the variables', () => {
    const folder = temporaryFolder()
    const standard = loadConfig({}, {}, folder)
    const others: Readonly<Record<string, string>> = {
      data: 'elsewhere',
      host: '127.0.0.2',
      domain: 'example.org',
      roles: 'web',
      insecureLoopbackAuth: '1',
      masterKey: Buffer.alloc(32, 7).toString('base64'),
      publicUrl: 'https://mail.example.org',
      'dns.servers': '192.0.2.53',
      'filter.engines': 'none',
      'filter.authentication': '0',
      'filter.authenticationOnFailure': 'closed',
      'filter.trustedNetworks': '10.0.0.0/8',
      'filter.greylist': '1',
      'dns.validating': '1',
      'delivery.smarthost': 'smtp://relay.example.org',
      'delivery.routes': 'example.org=smtp://relay.example.org',
      'pop3.sharing': 'exclusive',
      'telemetry.otlp': 'http://127.0.0.1:4318',
      'telemetry.sample': '0.5',
    }
    for (const { key, variable } of settings) {
      if (variable === undefined) continue
      const engine = key.startsWith('engines.')
      const value = key.startsWith('ports.') ? 'off' : engine ? `${at(standard, key)}x` : (others[key] ?? '7')
      const changed = loadConfig({}, { [variable]: value }, folder)
      assert.notDeepEqual(at(changed, key), at(standard, key), `${variable} does not set ${key}`)
    }
  })
})

describe('docs/how-to/use-a-mail-program.md', () => {
  it('names every extension that IMAP clients are told of', () => {
    const words = new Set(textOf('docs/how-to/use-a-mail-program.md').match(/[A-Z][A-Z0-9=-]+/g))
    const named = (extension: string) => words.has(extension) || extension.split('=').every((part) => words.has(part))
    const parameters = ['QUOTA=RES-STORAGE', 'RIGHTS=kxte']
    assert.deepEqual(
      SIGNED_IN.filter((extension) => !named(extension) && !parameters.includes(extension)),
      [],
    )
  })
})

describe('docs/reference/faults.md', () => {
  it('names in each row about real engines a test that there is', () => {
    const tests = ['faults', 'cluster', 'stop']
      .map((name) => readFileSync(join(ROOT, `test/engines/${name}.test.ts`), 'utf8'))
      .join()
    const rows = rowsOf('docs/reference/faults.md').filter((row) => row.length === 4 && /^`[^`]+`$/.test(row[3] ?? ''))
    const named = rows.filter((row) => !row[3]?.startsWith('`test/'))
    assert.ok(named.length >= 20)
    for (const row of named) {
      const [name = ''] = codeIn(row[3])
      assert.ok(tests.includes(`test('${name}'`), `${row[0]}: there is no test “${name}”`)
    }
  })
})

describe('docs/reference/limits.md', () => {
  it('says what stands in the source', () => {
    const limits = rowsOf('docs/reference/limits.md').filter((row) => /`: `/.test(row.at(-1) ?? ''))
    assert.ok(limits.length > 60)
    for (const row of limits) {
      const [file = '', code = ''] = codeIn(row.at(-1))
      assert.ok(readFileSync(join(ROOT, file), 'utf8').includes(code), `${row[0]}: ${file} has no ${code}`)
    }
  })
})

describe('README.md', () => {
  it('leaves out of “not in this version” what is in it', () => {
    const section = textOf('README.md').split('## Not in this version')[1]?.split('\n## ')[0] ?? ''
    const verbs = codeIn(section).map((code) => code.replace(/^everpost /, ''))
    assert.ok(verbs.length > 1)
    // Named there because it shows what waits.
    const present = verbs.filter((verb) => verb in VERBS && verb !== 'queue list')
    assert.deepEqual(present, [])
  })
})

/** The keys that the refusal of an unknown one lists. */
function keysNamedBy(load: () => unknown): readonly string[] {
  try {
    load()
  } catch (error) {
    return /there are (.+)$/.exec((error as Error).message)?.[1]?.split(', ') ?? []
  }
  return []
}

function fileWith(folder: string, text: string): string {
  const path = join(folder, 'everpost.yaml')
  writeFileSync(path, text)
  return path
}
