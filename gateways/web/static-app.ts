// The built web app: its files, and its one page for every address that is not a file.
import { readFile, stat } from 'node:fs/promises'
import { extname, join, normalize, sep } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'

const compress = promisify(brotliCompress)

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
}

export const APP_POLICY =
  "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; connect-src 'self' ws: wss:; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const MISSING = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Everpost</title>
<h1>Everpost is running</h1><p>The web app is not built yet. Run <code>npm run build</code> and reload this page.</p></html>`

interface File {
  readonly bytes: Buffer
  readonly packed: Buffer | undefined
  readonly type: string
  readonly changed: number
}

export class StaticApp {
  readonly #root: string
  readonly #files = new Map<string, File>()

  constructor(root: string) {
    this.#root = root
  }

  /** The file at a path, else the app's page. */
  async send(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const path = pathOf(request.url)
    const file = path === undefined || path === '/' ? undefined : await this.#file(path)
    const isAsset = path?.startsWith('/assets/') ?? false
    const shown = file ?? (isAsset ? undefined : await this.#file('/index.html'))
    void reply.header('content-security-policy', APP_POLICY)
    if (!shown) {
      const status = isAsset ? 404 : 200
      return reply
        .status(status)
        .header('content-type', TYPES['.html'])
        .header('cache-control', 'no-store')
        .send(MISSING)
    }
    const packed = /\bbr\b/.test(String(request.headers['accept-encoding'] ?? '')) ? shown.packed : undefined
    if (packed) void reply.header('content-encoding', 'br')
    return reply
      .header('vary', 'accept-encoding')
      .header('content-type', shown.type)
      .header('cache-control', file && isAsset ? 'public, max-age=31536000, immutable' : 'no-store')
      .send(packed ?? shown.bytes)
  }

  async #file(path: string): Promise<File | undefined> {
    const full = normalize(join(this.#root, path))
    if (!full.startsWith(this.#root.endsWith(sep) ? this.#root : this.#root + sep)) return undefined
    try {
      const { mtimeMs, size } = await stat(full)
      const held = this.#files.get(full)
      if (held?.changed === mtimeMs) return held
      const type = TYPES[extname(full)]
      if (type === undefined || size > 20 * 1024 * 1024) return undefined
      const bytes = await readFile(full)
      const packs = bytes.length > 1000 && /text|json|javascript|svg/.test(type)
      const params = { [constants.BROTLI_PARAM_QUALITY]: 9 }
      const file = { bytes, packed: packs ? await compress(bytes, { params }) : undefined, type, changed: mtimeMs }
      this.#files.set(full, file)
      return file
    } catch {
      return undefined
    }
  }
}

/** The decoded path; undefined for one that leaves the folder or names hidden files. */
export function pathOf(url: string): string | undefined {
  try {
    const path = decodeURIComponent(url.split(/[?#]/)[0] ?? '/')
    return /(?:^|[\\/])\.|[\0\\]|\/\//.test(path) ? undefined : path
  } catch {
    return undefined
  }
}
