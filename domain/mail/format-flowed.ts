// text/plain; format=flowed (RFC 3676): soft-wrapped lines joined into paragraphs.

/** Unflows `text` (line ends LF). With `delSp` the blank that marks a soft break goes too, as in scripts without spaces. */
export function unflow(text: string, delSp = false): string {
  const out: string[] = []
  let open = false
  let openDepth = 0
  let paragraph: string[] = []
  const flush = (): void => {
    if (paragraph.length > 0) out.push((openDepth > 0 ? `${'>'.repeat(openDepth)} ` : '') + paragraph.join(''))
    paragraph = []
    open = false
  }
  for (const line of text.split('\n')) {
    let depth = 0
    while (line.charCodeAt(depth) === 0x3e) depth++
    let content = line.slice(depth)
    if (content.startsWith(' ')) content = content.slice(1)
    const signature = content === '-- '
    if (!open || depth !== openDepth || signature) flush()
    openDepth = depth
    open = content.endsWith(' ') && !signature
    paragraph.push(open && delSp ? content.slice(0, -1) : content)
    if (!open) flush()
  }
  flush()
  return out.map((line) => (line.trim() === '' ? '' : line)).join('\n')
}
