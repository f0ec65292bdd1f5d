// node infra/deploy/probe.ts /readyz: exits 0 when this machine's Everpost answers so, for health checks in images without curl.
const port = process.env['EVERPOST_HTTP_PORT'] ?? '8080'
const path = process.argv[2] ?? '/healthz'
try {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2500) })
  process.exitCode = answer.ok ? 0 : 1
} catch {
  process.exitCode = 1
}
