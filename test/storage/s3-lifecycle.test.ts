// The bucket's lifecycle: our rule is added once, the rules of others stay, and a server that knows none is left alone.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { S3BlobStore } from '../../infra/adapters/blobs/s3.ts'

const ERRORS: Readonly<Record<string, readonly [number, string]>> = {
  none: [404, 'NoSuchLifecycleConfiguration'],
  unknown: [501, 'NotImplemented'],
}

/** A bucket with these rules, as XML, or the name of an error; what is put replaces them. */
async function bucket(t: TestContext, rules: string) {
  const state = { rules, puts: 0 }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (!request.url?.includes('lifecycle')) return void response.end()
      if (request.method === 'PUT') {
        state.puts++
        state.rules = Buffer.concat(chunks).toString()
        return void response.end()
      }
      const [status, code] = ERRORS[state.rules] ?? [200, '']
      response.writeHead(status, { 'content-type': 'application/xml' })
      response.end(status === 200 ? state.rules : `<Error><Code>${code}</Code></Error>`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const store = await S3BlobStore.open(`s3://key:secret@127.0.0.1:${(server.address() as AddressInfo).port}/mail`)
  t.after(async () => {
    await store.close()
    server.closeAllConnections()
    server.close()
  })
  return { state, store }
}

test('s3: the rule for leftovers is added beside those of others, once', async (t) => {
  const others = '<Rule><ID>archive</ID><Status>Enabled</Status><Filter><Prefix>old/</Prefix></Filter></Rule>'
  const { state, store } = await bucket(t, `<LifecycleConfiguration>${others}</LifecycleConfiguration>`)
  assert.equal(await store.removeLeftoversAfter(1), true)
  assert.match(state.rules, /<ID>archive<\/ID>/)
  assert.match(state.rules, /<ID>everpost-staging<\/ID>/)
  assert.match(state.rules, /<Prefix>staging\/<\/Prefix>/)
  assert.equal(await store.removeLeftoversAfter(1), true)
  assert.equal(state.puts, 1)
})

test('s3: a bucket without rules gets the one; a server that knows no lifecycle is left as it is', async (t) => {
  const empty = await bucket(t, 'none')
  assert.equal(await empty.store.removeLeftoversAfter(1), true)
  assert.match(empty.state.rules, /everpost-staging/)
  const unknown = await bucket(t, 'unknown')
  assert.equal(await unknown.store.removeLeftoversAfter(1), false)
  assert.equal(unknown.state.puts, 0)
})
