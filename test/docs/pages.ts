// The hand-written pages: README.md and docs/, their links and the blocks that can be run.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '..', '..')

/** Paths below the root, the README first. */
export const PAGES: readonly string[] = ['README.md', ...globSync('docs/**/*.md', { cwd: ROOT }).sort()]

export const textOf = (page: string): string => readFileSync(join(ROOT, page), 'utf8')

/** A shell block marked `sh run`, and the lines that the `text expect` block after it asks of its output. */
export interface Snippet {
  /** Of the block's first line in its page. */
  readonly line: number
  readonly script: string
  readonly expected: readonly string[]
}

interface Block {
  readonly info: string
  readonly line: number
  readonly text: string
}

export function snippetsOf(page: string): readonly Snippet[] {
  const snippets: Snippet[] = []
  let latest: Snippet | undefined
  for (const { info, line, text } of blocksOf(page)) {
    if (info === 'text expect') {
      if (!latest) throw new Error(`${page}:${line}: nothing before this block was run`)
      snippets.pop()
      snippets.push({ ...latest, expected: text.split('\n').filter((each) => each.trim() !== '') })
      latest = undefined
    } else if (info === 'sh run') {
      latest = { line, script: text, expected: [] }
      snippets.push(latest)
    } else latest = undefined
  }
  return snippets
}

/** Fenced blocks, also those indented as part of a list. */
function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = []
  let open: { info: string; line: number; indent: number; lines: string[] } | undefined
  for (const [i, line] of textOf(page).split('\n').entries()) {
    const fence = /^( *)```(.*)$/.exec(line)
    if (!fence) open?.lines.push(line.slice(Math.min(open.indent, /^ */.exec(line)?.[0].length ?? 0)))
    else if (open) {
      blocks.push({ info: open.info, line: open.line, text: open.lines.join('\n') })
      open = undefined
    } else open = { info: (fence[2] ?? '').trim(), line: i + 2, indent: (fence[1] ?? '').length, lines: [] }
  }
  return blocks
}

/** Targets of links and images as they are written, with fenced blocks left out. */
export function linksOf(page: string): readonly string[] {
  const prose = textOf(page)
    .replace(/^( *)```[\s\S]*?^\1```$/gm, '')
    .replace(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] as string)
}

/** The anchors that headings make, as GitHub and others do. */
export function anchorsOf(page: string): ReadonlySet<string> {
  const headings = [...textOf(page).matchAll(/^#+ (.+)$/gm)].map((match) => match[1] as string)
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}
