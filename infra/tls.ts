// The certificate of the mail listeners: the configured one, else a self-signed pair made once in the data folder.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Config } from './config.ts'

export interface TlsPair {
  readonly key: string
  readonly cert: string
  readonly selfSigned: boolean
}

export async function loadTls(config: Config, folder: string): Promise<TlsPair> {
  if (config.tls)
    return { key: readFileSync(config.tls.key, 'utf8'), cert: readFileSync(config.tls.cert, 'utf8'), selfSigned: false }
  const keyPath = join(folder, 'self-signed.key')
  const certPath = join(folder, 'self-signed.crt')
  if (!existsSync(keyPath) || !existsSync(certPath)) {
    const name = `mail.${config.domain}`
    const days = 3650
    // A large library for the first start alone.
    const { generate } = await import('selfsigned')
    const made = await generate([{ name: 'commonName', value: name }], {
      keyType: 'ec',
      algorithm: 'sha256',
      notAfterDate: new Date(Date.now() + days * 86_400_000),
      extensions: [
        {
          name: 'subjectAltName',
          altNames: [
            { type: 2, value: name },
            { type: 2, value: 'localhost' },
            { type: 7, ip: '127.0.0.1' },
          ],
        },
      ],
    })
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(keyPath, made.private, { mode: 0o600 })
    chmodSync(keyPath, 0o600)
    writeFileSync(certPath, made.cert)
  }
  return { key: readFileSync(keyPath, 'utf8'), cert: readFileSync(certPath, 'utf8'), selfSigned: true }
}
