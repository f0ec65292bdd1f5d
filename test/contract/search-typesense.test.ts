// The search contract on Typesense: on its double, and on the server that EVERPOST_TEST_TYPESENSE names (typesense://KEY@HOST:PORT).
import { randomBytes } from 'node:crypto'
import { after, before } from 'node:test'
import { TypesenseIndex } from '../../infra/adapters/search/typesense.ts'
import { TypesenseCalls } from '../../infra/adapters/search/typesense-calls.ts'
import { TypesenseDouble } from '../doubles/typesense/server.ts'
import { searchContract } from './search.ts'

let double: TypesenseDouble
before(async () => {
  double = await TypesenseDouble.start()
})
after(() => double.stop())

const freshName = () => `everpost_test_${randomBytes(8).toString('hex')}`

searchContract('typesense', async () => TypesenseIndex.open(new TypesenseCalls(double.url), freshName()))

const real = process.env['EVERPOST_TEST_TYPESENSE']
if (real !== undefined)
  searchContract('typesense, the server of EVERPOST_TEST_TYPESENSE', async (t) => {
    const calls = new TypesenseCalls(real)
    const name = freshName()
    t.after(() => calls.drop(name))
    return TypesenseIndex.open(calls, name)
  })
