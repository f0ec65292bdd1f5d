import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { EVENT_TYPES } from '../../domain/events.ts'
import { EVENTS_PAGE, eventsPage } from './generate.ts'

describe('docs/reference/events.md', () => {
  it('is what the event types say now; if not: npm run docs', () => {
    assert.equal(readFileSync(EVENTS_PAGE, 'utf8'), eventsPage())
  })

  it('has every event once, with its payload', () => {
    const page = eventsPage()
    for (const type of EVENT_TYPES)
      assert.match(page, new RegExp(`\n### ${type}\n\n\`\`\`ts\n(?:\\w+ & )?(?:\\{[^]*?\\}|\\w+)\n\`\`\`\n`), type)
  })
})
