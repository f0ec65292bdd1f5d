import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { check, checkAll } from './check.ts'

describe('import direction', () => {
  it('holds in the whole tree', () => {
    assert.deepEqual(checkAll(), [])
  })

  it('catches every forbidden arrow', () => {
    const forbidden: [string, string][] = [
      ['domain/mailbox/mailbox.ts', "import { x } from '../../commands/context.ts'"],
      ['domain/mailbox/mailbox.ts', "import { hash } from 'node:crypto'"],
      ['commands/context.ts', "import type { Row } from '../projections/queries.ts'"],
      ['projections/runtime.ts', "export { y } from '../commands/context.ts'"],
      ['commands/context.ts', "import x from 'yaml'"],
      ['gateways/smtp/server.ts', "const x = await import('../../infra/config.ts')"],
      ['apps/web/src/main.tsx', "import '../../../domain/log.ts'"],
      ['projections/runtime.ts', "import {\n  a,\n  b,\n} from '../gateways/x.ts'"],
    ]
    for (const [file, source] of forbidden) assert.equal(check(file, source).length, 1, `${file}: ${source}`)
  })

  it('lets the allowed ones pass', () => {
    assert.deepEqual(
      check('gateways/smtp/server.ts', "import { SMTPServer } from 'smtp-server'\nimport '../../commands/context.ts'"),
      [],
    )
    assert.deepEqual(
      check('infra/serve.ts', "import { join } from 'node:path'\nimport x from '../gateways/web/gateway.ts'"),
      [],
    )
  })
})
