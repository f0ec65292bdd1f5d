// Which types a browser may be told, and names of files in header fields.

const SHOWABLE = new Set([
  ...['image/png', 'image/jpeg', 'image/pjpeg', 'image/jpg', 'image/gif', 'image/webp', 'image/avif', 'image/bmp'],
  ...['image/x-icon', 'image/vnd.microsoft.icon'],
])

/** Raster images: the only parts that are ever shown in a page. Never SVG, which is a document that runs. */
export const isShowable = (type: string): boolean => SHOWABLE.has(type.toLowerCase())

/** A type for a download: what a browser would render as a page goes out as bytes. */
export function downloadType(type: string): string {
  const clean = type.toLowerCase()
  if (!/^[a-z0-9!#$&^_.+-]{1,80}\/[a-z0-9!#$&^_.+-]{1,80}$/.test(clean)) return 'application/octet-stream'
  if (/html|xml|svg|script|xsl|mhtml|multipart|shockwave|x-www-form|hta|xul/.test(clean))
    return 'application/octet-stream'
  return clean === 'text/plain' ? 'text/plain; charset=utf-8' : clean
}

/** RFC 6266 with both forms: plain ASCII for old clients, RFC 8187 for the true name. */
export function attachmentDisposition(filename: string): string {
  const name =
    filename
      .toWellFormed()
      .replace(/[\x00-\x1f\x7f/\\]+/g, '_')
      .slice(0, 255) || 'attachment'
  const ascii = name.replace(/[^\x20-\x7e]/g, '_').replace(/["%]/g, '_')
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return ascii === name
    ? `attachment; filename="${ascii}"`
    : `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`
}
