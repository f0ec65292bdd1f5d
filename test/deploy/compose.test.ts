// The deployment as far as it can be checked without a container engine: its shape, its images, and that we know what it sets.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { loadConfig, PORT_NAMES, ROLES } from '../../infra/config.ts'
import { withSecrets } from '../../infra/deploy/secrets.ts'
import { temporaryFolder } from '../support/folders.ts'

const DEPLOY = join(import.meta.dirname, '..', '..', 'infra', 'deploy')
type Map_ = Readonly<Record<string, unknown>>
interface Service {
  readonly image?: string
  readonly build?: Map_
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly depends_on?: readonly string[] | Map_
  readonly volumes?: readonly string[]
  readonly secrets?: readonly string[]
  readonly configs?: readonly { readonly source: string }[]
  readonly healthcheck?: Map_
  readonly ports?: readonly string[]
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Map_
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
  readonly configs: Readonly<Record<string, { readonly content: string }>>
}

const compose = parse(readFileSync(join(DEPLOY, 'compose.yaml'), 'utf8'), { merge: true }) as Compose
const services = Object.entries(compose.services)
const ours = services.filter(([, { image }]) => image?.startsWith('everpost:'))

/** Properties of the Compose Specification that we use: a misspelt one is a mistake, not an extension. */
const SERVICE_KEYS = [
  ...['build', 'command', 'configs', 'depends_on', 'entrypoint', 'environment', 'healthcheck', 'image', 'ports'],
  ...['restart', 'secrets', 'stop_grace_period', 'volumes'],
]

test('the compose file has the shape of the Compose Specification, and names nothing that is not there', () => {
  for (const key of Object.keys(compose))
    assert.ok(key.startsWith('x-') || ['name', 'services', 'volumes', 'secrets', 'configs'].includes(key), key)
  for (const [name, service] of services) {
    for (const key of Object.keys(service)) assert.ok(SERVICE_KEYS.includes(key), `${name}: ${key}`)
    const needs = Array.isArray(service.depends_on) ? service.depends_on : Object.keys(service.depends_on ?? {})
    for (const other of needs) {
      assert.ok(compose.services[other], `${name} needs ${other}`)
      const condition = (service.depends_on as Record<string, { condition?: string }>)[other]?.condition
      if (condition === 'service_healthy')
        assert.ok(compose.services[other].healthcheck, `${other} has no health check`)
    }
    for (const volume of service.volumes ?? [])
      assert.ok((volume.split(':')[0] ?? '') in compose.volumes, `${name}: volume ${volume}`)
    for (const secret of service.secrets ?? []) assert.ok(compose.secrets[secret], `${name}: secret ${secret}`)
    for (const { source } of service.configs ?? []) assert.ok(compose.configs[source], `${name}: config ${source}`)
    for (const value of Object.values(service.environment ?? {})) assert.equal(typeof value, 'string', name)
  }
})

test('every image is pinned to an exact version', () => {
  for (const [name, { image }] of services)
    assert.match(image ?? '', /^[a-z0-9/.-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?(@sha256:[0-9a-f]{64})?$/, name)
  const dockerfile = readFileSync(join(DEPLOY, 'Dockerfile'), 'utf8')
  for (const [, image] of dockerfile.matchAll(/^FROM (\S+)/gm))
    assert.match(image ?? '', /^node:\d+\.\d+\.\d+-\w+-slim$/)
  for (const [, sources = ''] of dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm))
    for (const source of sources.split(' ')) assert.ok(existsSync(join(DEPLOY, '..', '..', source)), `COPY ${source}`)
})

/** Notes which variables the settings look at. */
function lookedAt(env: NodeJS.ProcessEnv): {
  readonly config: ReturnType<typeof loadConfig>
  readonly asked: Set<string>
} {
  const asked = new Set<string>()
  const watched = new Proxy(env, {
    get(held, name) {
      asked.add(String(name))
      return held[String(name)]
    },
  })
  return { config: loadConfig({ data: '/tmp/nowhere' }, watched, '/nonexistent'), asked }
}

test('every variable that is set is a setting, and the settings take what it is set to', () => {
  const folder = temporaryFolder()
  const secrets: Readonly<Record<string, string>> = {
    'master-key': Buffer.alloc(32, 7).toString('base64'),
    search: 'typesense://KEY@typesense1:8108',
    blobs: 's3://KEY:SECRET@s3:7070/everpost',
  }
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(secrets)) writeFileSync(join(folder, name), `${text}\n`)
  assert.ok(ours.length === 2 * ROLES.length)
  for (const [name, { environment = {}, secrets: given = [] }] of ours) {
    const mounted = Object.entries(environment).map(([variable, value]) => {
      const secret = /^\/run\/secrets\/(.+)$/.exec(value)?.[1]
      if (secret !== undefined) assert.ok(given.includes(secret), `${name} has no secret ${secret}`)
      return [variable, secret === undefined ? value : join(folder, secret)]
    })
    const env = withSecrets(Object.fromEntries(mounted) as NodeJS.ProcessEnv)
    const { config, asked } = lookedAt(env)
    for (const variable of Object.keys(env)) assert.ok(asked.has(variable), `${variable} is no setting`)
    assert.equal(config.engines.blobs, secrets['blobs'])
    assert.ok(config.engines.eventStore.startsWith('esdb'))
    assert.equal(config.masterKey, secrets['master-key'])
  }
  assert.throws(() => withSecrets({ EVERPOST_BLOBS_FILE: '/nowhere/at/all' }), /EVERPOST_BLOBS_FILE names the file/)
})

test('two of each role run, and the balancer reaches those that listen', () => {
  const roles = ours.map(([, { command }]) => command?.join(' '))
  for (const role of ROLES) assert.equal(roles.filter((words) => words === `serve --role ${role}`).length, 2, role)
  const proxy = compose.configs['haproxy']?.content ?? ''
  for (const [, host = ''] of proxy.matchAll(/server \S+ ([\w-]+):\d+/g)) assert.ok(compose.services[host], host)
  const { config } = lookedAt({})
  for (const name of PORT_NAMES) assert.match(proxy, new RegExp(`listen p${config.ports[name]}\\n`), name)
  assert.match(compose.configs['nats']?.content ?? '', /sync_interval: always/)
})

test('Kubernetes: every role has probes, a disruption budget and known variables; projectors scale on their lag', () => {
  const folder = join(DEPLOY, 'kustomize')
  const base = parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')) as {
    resources: string[]
    configMapGenerator: { literals: string[] }[]
  }
  assert.deepEqual([...base.resources, 'kustomization.yaml'].sort(), readdirSync(folder).sort())
  const { asked } = lookedAt({})
  for (const literal of base.configMapGenerator.flatMap(({ literals }) => literals))
    assert.ok(asked.has(literal.split('=')[0] ?? '') || literal.startsWith('EVERPOST_DATA='), literal)
  for (const role of ROLES) {
    const text = readFileSync(join(folder, `${role}.yaml`), 'utf8')
    const all = parseAllDocuments(text).map((document) => document.toJS() as Record<string, never>)
    const find = (kind: string) => all.find((each) => each['kind'] === kind) as Record<string, never> | undefined
    const deployment = JSON.stringify(find('Deployment'))
    for (const part of ['livenessProbe', 'readinessProbe', 'startupProbe', '/readyz', `"--role","${role}"`])
      assert.ok(deployment.includes(part), `${role}: ${part}`)
    assert.ok(JSON.stringify(find('PodDisruptionBudget')).includes('"minAvailable":1'))
    if (role === 'projector') {
      const metrics = readFileSync(join(DEPLOY, '..', '..', 'gateways', 'web', 'metrics.ts'), 'utf8')
      assert.ok(JSON.stringify(find('HorizontalPodAutoscaler')).includes('everpost_projection_lag_seconds'))
      assert.ok(metrics.includes('everpost_projection_lag_seconds'))
    }
  }
})
