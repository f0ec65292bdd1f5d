// A bar chart as SVG: readable in light and dark, its numbers are text.
export interface Bar {
  readonly label: string
  readonly value: number
}

const escapeXml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

export function bars(title: string, all: readonly Bar[]): string {
  const [left, width, row] = [330, 360, 30]
  const height = 50 + all.length * row
  const most = Math.max(...all.map(({ value }) => value))
  const shown = (value: number) =>
    value >= 100 ? Math.round(value).toLocaleString('en') : String(Math.round(value * 10) / 10)
  const lines = all.map(({ label, value }, i) => {
    const y = 40 + i * row
    const long = Math.max(1, (value / most) * width)
    return `  <text x="${left - 10}" y="${y + 15}" text-anchor="end">${escapeXml(label)}</text>
  <rect x="${left}" y="${y}" width="${long.toFixed(1)}" height="20" fill="#4f7cac"/>
  <text x="${(left + long + 8).toFixed(1)}" y="${y + 15}">${shown(value)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + width + 90} ${height}" role="img" aria-label="${escapeXml(title)}" font-family="sans-serif" font-size="13">
  <style>text { fill: #333 } @media (prefers-color-scheme: dark) { text { fill: #ddd } }</style>
  <text x="10" y="22" font-weight="bold">${escapeXml(title)}</text>
${lines.join('\n')}
</svg>
`
}
