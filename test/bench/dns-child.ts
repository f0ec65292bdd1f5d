// The name server of a benchmark, in a thread of its own: the benchmark's is blocked while a load generator runs.
import { parentPort } from 'node:worker_threads'
import { startDnsServer } from '../support/dns-server.ts'

const ttl = 3600
const { server } = await startDnsServer({ after: () => undefined } as never, ({ name, type }) => {
  if (name === 'load.test' && type === 'TXT')
    return { answers: [{ type: 'TXT', name, ttl, data: 'v=spf1 ip4:127.0.0.1 -all' }] }
  if (name === '_dmarc.load.test' && type === 'TXT')
    return { answers: [{ type: 'TXT', name, ttl, data: 'v=DMARC1; p=reject' }] }
  if (name === '1.0.0.127.in-addr.arpa') return { answers: [{ type: 'PTR', name, ttl, data: 'host.load.test' }] }
  if (name === 'host.load.test' && type === 'A') return { answers: [{ type: 'A', name, ttl, data: '127.0.0.1' }] }
  return { rcode: 3 }
})
parentPort?.postMessage(server)
