// The two ways of threading of RFC 5256 §3: by subject and date, and by references.
import type { Ids, Listed } from './listed.ts'

/** A message and those below it; `uid` 0 stands for one that is not in the result but holds others together. */
export interface ThreadNode {
  readonly uid: number
  readonly children: readonly ThreadNode[]
}

/** ORDEREDSUBJECT: the first of each subject, all others below it. */
export function orderedSubject(messages: readonly Listed[]): readonly ThreadNode[] {
  const groups = new Map<string, Listed[]>()
  for (const message of messages.toSorted(byDate)) {
    const group = groups.get(message.subject)
    if (group) group.push(message)
    else groups.set(message.subject, [message])
  }
  return [...groups.values()]
    .sort(([a], [b]) => byDate(a as Listed, b as Listed))
    .map(([first, ...rest]) => ({
      uid: (first as Listed).uid,
      children: rest.map(({ uid }) => ({ uid, children: [] })),
    }))
}

const byDate = (a: Listed, b: Listed): number => a.sentAt - b.sentAt || a.uid - b.uid

interface Container {
  message: Listed | undefined
  parent: Container | undefined
  readonly children: Set<Container>
}

/** REFERENCES: the six steps of RFC 5256 §3. Nothing recurses: a chain of ten thousand replies is one that exists. */
export function byReferences(messages: readonly Listed[], ids: ReadonlyMap<number, Ids>): readonly ThreadNode[] {
  const roots = prune(link(messages, ids))
  return toNodes(mergeSubjects(sortSiblings(roots)))
}

/** Step 1 and 2: who answers whom. */
function link(messages: readonly Listed[], ids: ReadonlyMap<number, Ids>): readonly Container[] {
  const byId = new Map<string, Container>()
  const all: Container[] = []
  const make = (message?: Listed): Container => {
    const container: Container = { message, parent: undefined, children: new Set() }
    all.push(container)
    return container
  }
  const known = (id: string): Container => {
    const found = byId.get(id) ?? make()
    byId.set(id, found)
    return found
  }
  for (const message of messages.toSorted((a, b) => a.uid - b.uid)) {
    const { id, references } = ids.get(message.uid) ?? { id: '', references: [] }
    let own = id === '' ? make() : known(id)
    // A second message of the same id is one of its own.
    if (own.message) own = make()
    own.message = message
    let above: Container | undefined
    for (const reference of references) {
      const container = known(reference)
      if (above && !container.parent && !isBelow(above, container)) adopt(above, container)
      above = container
    }
    if (own.parent) release(own)
    if (above && !isBelow(above, own)) adopt(above, own)
  }
  return all.filter(({ parent }) => !parent)
}

/** Whether `container` is `ancestor` or below it. */
function isBelow(container: Container, ancestor: Container): boolean {
  for (let at: Container | undefined = container; at; at = at.parent) if (at === ancestor) return true
  return false
}

function adopt(parent: Container, child: Container): void {
  release(child)
  child.parent = parent
  parent.children.add(child)
}

function release(child: Container): void {
  child.parent?.children.delete(child)
  child.parent = undefined
}

/** Containers from the leaves up. */
function bottomUp(roots: Iterable<Container>): readonly Container[] {
  const order: Container[] = []
  const waiting = [...roots]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    order.push(next)
    waiting.push(...next.children)
  }
  return order.reverse()
}

/** Step 3: empty ones go; their children take their place, at the top only when there is a single one. */
function prune(roots: readonly Container[]): readonly Container[] {
  const top = new Set(roots)
  for (const container of bottomUp(roots)) {
    if (container.message) continue
    const { parent } = container
    if (container.children.size === 0) {
      release(container)
      top.delete(container)
    } else if (parent) {
      for (const child of [...container.children]) adopt(parent, child)
      release(container)
    } else if (container.children.size === 1) {
      for (const child of [...container.children]) {
        release(child)
        top.add(child)
      }
      top.delete(container)
    }
  }
  return [...top]
}

/** Step 4: by date; an empty one by its first child. */
function sortSiblings(roots: readonly Container[]): readonly Container[] {
  for (const container of bottomUp(roots)) {
    const sorted = [...container.children].sort(byFirst)
    container.children.clear()
    for (const child of sorted) container.children.add(child)
  }
  return [...roots].sort(byFirst)
}

function first(container: Container): Listed | undefined {
  return container.message ?? [...container.children][0]?.message
}

function byFirst(a: Container, b: Container): number {
  const [x, y] = [first(a), first(b)]
  return x && y ? byDate(x, y) : 0
}

/** Step 5: threads of the same subject become one. */
function mergeSubjects(roots: readonly Container[]): readonly Container[] {
  const table = new Map<string, Container>()
  for (const root of roots) {
    const head = first(root)
    if (!head || head.subject === '') continue
    const known = table.get(head.subject)
    const better = !known || (!root.message && known.message) || (first(known)?.isReply === true && !head.isReply)
    if (better) table.set(head.subject, root)
  }
  const top = new Set(roots)
  for (const root of roots) {
    const head = first(root)
    const other = head && table.get(head.subject)
    if (!other || other === root || !top.has(root)) continue
    top.delete(root)
    if (!other.message && !root.message) for (const child of [...root.children]) adopt(other, child)
    else if (!other.message || (head.isReply && first(other)?.isReply === false)) adopt(other, root)
    else {
      const both: Container = { message: undefined, parent: undefined, children: new Set() }
      top.delete(other)
      adopt(both, other)
      adopt(both, root)
      top.add(both)
      table.set(head.subject, both)
    }
  }
  return sortSiblings([...top])
}

function toNodes(roots: readonly Container[]): readonly ThreadNode[] {
  const nodes = new Map<Container, ThreadNode>()
  for (const container of bottomUp(roots)) {
    const children = [...container.children].flatMap((child) => nodes.get(child) ?? [])
    nodes.set(container, { uid: container.message?.uid ?? 0, children })
  }
  return roots.flatMap((root) => nodes.get(root) ?? [])
}

/** `(3 6 (4 23)(44 7))`: a chain in a row, branches in parentheses (RFC 5256 §4). */
export function writeThreads(threads: readonly ThreadNode[], number: (uid: number) => number): string {
  const parts: string[] = []
  type Step = { readonly node: ThreadNode } | { readonly text: string }
  const steps: Step[] = threads.toReversed().map((node) => ({ node }))
  const open = (node: ThreadNode): void => {
    parts.push('(')
    let at: ThreadNode | undefined = node
    let before = ''
    while (at) {
      if (at.uid > 0) parts.push(`${before}${number(at.uid)}`)
      if (at.uid > 0) before = ' '
      if (at.children.length !== 1) break
      at = at.children[0]
    }
    steps.push({ text: ')' })
    if (at && at.children.length > 1) {
      if (before !== '') parts.push(' ')
      for (const child of at.children.toReversed()) steps.push({ node: child })
    }
  }
  for (let step = steps.pop(); step; step = steps.pop()) {
    if ('text' in step) parts.push(step.text)
    else open(step.node)
  }
  return parts.join('')
}
