import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, it } from 'node:test'
import { anchorsOf, linksOf, PAGES, ROOT, textOf } from './pages.ts'

const isLocal = (link: string) => !/^[a-z]+:/.test(link)

describe('README.md and docs/', () => {
  it('links to nothing that is not there', () => {
    const dead: string[] = []
    for (const page of PAGES) {
      for (const link of linksOf(page).filter(isLocal)) {
        const [path = '', anchor] = link.split('#')
        const target = path === '' ? page : normalize(join(dirname(page), path))
        if (!existsSync(join(ROOT, target))) dead.push(`${page}: ${link}`)
        else if (anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor))
          dead.push(`${page}: ${link} (no such heading)`)
      }
    }
    assert.deepEqual(dead, [])
  })

  it('has no page that cannot be reached from the README', () => {
    const reached = new Set(['README.md'])
    for (const page of reached) {
      for (const link of linksOf(page).filter(isLocal)) {
        const target = normalize(join(dirname(page), link.split('#')[0] ?? ''))
        if (target.endsWith('.md') && PAGES.includes(target)) reached.add(target)
      }
    }
    assert.deepEqual(
      PAGES.filter((page) => !reached.has(page)),
      [],
    )
  })

  it('names no file of the source that is not there', () => {
    const missing: string[] = []
    const rooms = /`((?:domain|commands|projections|gateways|infra|test|apps)\/[\w./-]*\w\.(?:tsx?|graphql|md))`/g
    for (const page of PAGES) {
      for (const [, path = ''] of textOf(page).matchAll(rooms))
        if (!existsSync(join(ROOT, path))) missing.push(`${page}: ${path}`)
    }
    assert.deepEqual(missing, [])
  })
})
