// The Typesense double beside what a real server answered: every recorded pair whose request the double knows, replayed file by file.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, it } from 'node:test'
import { TypesenseDouble } from '../doubles/typesense/server.ts'

const RECORDED = process.env['EVERPOST_ENGINES'] ?? join(import.meta.dirname, '../../../shared/engines')
const files = globSync(join(RECORDED, 'typesense', '*.jsonl')).sort()

interface Pair {
  readonly method: string
  readonly path: string
  readonly rawQuery?: string
  readonly requestHeaders?: Readonly<Record<string, unknown>>
  readonly requestBody: unknown
  readonly status: number | null
  readonly responseBody: unknown
  readonly note: string
}

/** Files that are about one server's life, or about keys: nothing that the double has. */
const LEFT_OUT = /^(02-|10-|11|12-|13-|14|15-)/
/** Documents of the recording that came in by a request that the double refuses would make later answers differ. */
const WRITES = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

function comparable(body: unknown): unknown {
  if (typeof body === 'string' && body.includes('"success"')) {
    return body.split('\n').map((line) => {
      const { error: _, document: __, ...rest } = JSON.parse(line) as Record<string, unknown>
      return rest
    })
  }
  if (Array.isArray(body)) return body.map(comparable)
  if (typeof body !== 'object' || body === null) return body
  const { created_at: _, search_time_ms: __, ...rest } = body as Record<string, unknown>
  return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, comparable(value)]))
}

describe('the double of Typesense', { skip: existsSync(RECORDED) ? false : 'the recordings are not there' }, () => {
  it('answers as the real server did, or says that it does not know', async (t) => {
    const counts = { same: 0, unknown: 0, filters: 0 }
    const differences: string[] = []
    const double = await TypesenseDouble.start()
    t.after(() => double.stop())
    for (const file of files) {
      if (LEFT_OUT.test(basename(file))) continue
      const lines = readFileSync(file, 'utf8').trim().split('\n').slice(1)
      /** Collections that the double could not follow. */
      const lost = new Set<string>(['mail'])
      for (const line of lines) {
        const pair = JSON.parse(line) as Pair
        if (pair.status === null || pair.status === 0 || pair.status === 401) continue
        const query = pair.rawQuery ? `?${pair.rawQuery}` : ''
        const body =
          pair.requestBody === null
            ? undefined
            : typeof pair.requestBody === 'string'
              ? pair.requestBody
              : JSON.stringify(pair.requestBody)
        const response = await fetch(`http://127.0.0.1:${double.port}${pair.path}${query}`, {
          method: pair.method,
          headers: { 'x-typesense-api-key': double.key },
          ...(body === undefined || pair.method === 'GET' ? {} : { body }),
        })
        const text = await response.text()
        const collection =
          /^\/collections\/([^/]+)/.exec(pair.path)?.[1] ??
          String((pair.requestBody as { name?: string } | null)?.name ?? '')
        if (response.status === 501) {
          counts.unknown++
          if (WRITES.has(pair.method) && pair.path !== '/multi_search') lost.add(collection)
          continue
        }
        // An alias leads to a collection that may be lost as well.
        if (lost.has(collection)) continue
        if (lost.size > 1 && (/^(\/multi_search|\/collections)$/.test(pair.path) || collection === 'mails')) continue
        let answer: unknown = text
        if (typeof pair.responseBody !== 'string') answer = JSON.parse(text)
        try {
          assert.equal(response.status, pair.status)
          // What is wrong with a request is said in the server's words only where the engine's own requests could meet it.
          if (pair.status < 300) assert.deepEqual(comparable(answer), comparable(pair.responseBody))
          counts.same++
          if (query.includes('filter_by')) counts.filters++
        } catch (error) {
          differences.push(
            `${basename(file)}: ${pair.method} ${pair.path}${decodeURIComponent(query)} (${pair.note}): ${String((error as Error).message).slice(0, 300)}`,
          )
        }
      }
    }
    assert.deepEqual(differences, [])
    assert.ok(counts.same > 100 && counts.filters > 50, JSON.stringify(counts))
    t.diagnostic(JSON.stringify(counts))
  })
})
