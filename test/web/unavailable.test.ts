// An engine that is away is said to be so, in words that say to try again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlobError } from '../../commands/ports/blob-store.ts'
import { EventStoreError } from '../../commands/ports/event-store.ts'
import { toGraphqlError } from '../../gateways/graphql/errors.ts'
import { awayProblem } from '../../gateways/web/problem.ts'

test('an engine that is away is UNAVAILABLE to GraphQL and 503 to REST, and noted', () => {
  for (const error of [
    new BlobError('unavailable', 'S3 is away'),
    new EventStoreError('unavailable', 'The log is away'),
  ]) {
    const shown = toGraphqlError(error)
    assert.equal(shown.error.extensions['code'], 'UNAVAILABLE')
    assert.doesNotMatch(shown.error.message, /S3|log/)
    assert.ok(shown.unexpected)
    assert.equal(awayProblem(error)?.status, 503)
  }
})

test('other errors are not', () => {
  assert.equal(toGraphqlError(new Error('a bug')).error.extensions['code'], 'INTERNAL')
  assert.equal(awayProblem(new BlobError('corrupt', 'damaged')), undefined)
})
