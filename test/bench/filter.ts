// filter: the built-in filter over real ham, hard ham and spam, trained on a random half and tested on the other, 5 seeds.
// Nothing of the corpus is in the program: training begins at the state that is shipped. What the receiving side of the corpus
// added (its mailbox line, Received fields of its hosts, marks of its mail programs) is taken out first, so that it cannot decide.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assess, opinionOf } from '../../domain/filter/assess.ts'
import { INSTALLATION_BUCKETS, Model } from '../../domain/filter/model.ts'
import { factsOf } from '../../domain/filter/signals.ts'
import { DEFAULT_THRESHOLDS, decideVerdict } from '../../domain/filter/verdict.ts'
import { eachField } from '../../domain/mail/header.ts'
import { readMail } from '../../domain/mail/read.ts'
import { MAIL, median, needs, percentile, report } from './support.ts'

const SEEDS = [1, 2, 3, 4, 5]
const KINDS = ['ham', 'ham-hard', 'spam'] as const

/** Fields that the mailboxes of the corpus' collectors added. */
const COLLECTED =
  /^(?:>?from |return-path|delivered-to|x-spam.*|x-status|status|x-keywords|x-uid|delivery-date|envelope-to|x-mail-from|x-apparently-to)$/i
const COLLECTORS =
  /\bby\s+(?:dogma\.slashnull\.org|\S*netnoteinc\.com|\S*jmason\.org|zzzzason\.org|\S*spamassassin\.taint\.org|localhost|mandark\.labs)\b/i

function withoutCollectors(raw: Buffer): Buffer {
  const at = /\r?\n\r?\n/.exec(raw.toString('latin1'))?.index ?? raw.length
  const header = `${raw.toString('latin1', 0, at)}\n`.replace(/^>?From [^\n]*\n/, '')
  let kept = ''
  eachField(header, Number.POSITIVE_INFINITY, (start, colon, end) => {
    const name = header.slice(start, colon).trim()
    const field = header.slice(start, end)
    if (!COLLECTED.test(name) && !(/^received$/i.test(name) && COLLECTORS.test(field))) kept += field
  })
  return Buffer.concat([Buffer.from(kept.trimEnd(), 'latin1'), raw.subarray(at)])
}

/** mulberry32: the same halves on every machine. */
function shuffled<T>(list: readonly T[], seed: number): T[] {
  let state = seed
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const order = [...list]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j] as T, order[i] as T]
  }
  return order
}

needs(join(MAIL, 'spam'), 'The corpus of ham and spam')
const messages = KINDS.flatMap((kind) =>
  readdirSync(join(MAIL, kind))
    .sort()
    .map((name) => ({ kind, name, raw: withoutCollectors(readFileSync(join(MAIL, kind, name))) })),
)

const judge = (raw: Buffer, installation: Model | undefined) => {
  const mail = readMail(raw)
  const assessment = assess(factsOf(raw, mail), mail)
  return { assessment, verdict: decideVerdict([opinionOf(assessment, { installation })], DEFAULT_THRESHOLDS) }
}

const junked: number[] = []
const caught: number[] = []
const hard: number[] = []
const tested = { ham: 0, spam: 0 }
const times: number[] = []
const cpu: number[] = []
for (const seed of SEEDS) {
  const order = shuffled(messages, seed)
  const half = order.length >> 1
  const model = new Model(INSTALLATION_BUCKETS)
  for (const { raw, kind } of order.slice(0, half))
    model.learn(judge(raw, undefined).assessment.features, kind === 'spam' ? 'spam' : 'ham')
  const wrong = { ham: 0, 'ham-hard': 0, spam: 0 }
  const seen = { ham: 0, 'ham-hard': 0, spam: 0 }
  const before = process.cpuUsage()
  for (const { raw, kind } of order.slice(half)) {
    const started = performance.now()
    const { verdict } = judge(raw, model)
    times.push(performance.now() - started)
    seen[kind]++
    if ((verdict.action !== 'deliver') !== (kind === 'spam')) wrong[kind]++
  }
  const used = process.cpuUsage(before)
  cpu.push((used.user + used.system) / 1000 / (order.length - half))
  const ham = seen.ham + seen['ham-hard']
  junked.push((100 * (wrong.ham + wrong['ham-hard'])) / ham)
  hard.push(wrong['ham-hard'])
  caught.push((100 * (seen.spam - wrong.spam)) / seen.spam)
  tested.ham += ham
  tested.spam += seen.spam
}
const mean = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0) / values.length
report({
  bench: 'filter',
  metric: 'ham_junked',
  value: mean(junked),
  unit: '%',
  n: tested.ham,
  seeds: junked.map((each) => each.toFixed(2)).join(' '),
  hard: hard.join(' '),
  target: 0.5,
})
report({
  bench: 'filter',
  metric: 'spam_caught',
  value: mean(caught),
  unit: '%',
  n: tested.spam,
  seeds: caught.map((each) => each.toFixed(1)).join(' '),
  target: 95,
})
times.sort((a, b) => a - b)
report({
  bench: 'filter',
  metric: 'cpu',
  value: median(cpu),
  unit: 'ms/message',
  n: times.length,
  p50: percentile(times, 0.5),
  p99: percentile(times, 0.99),
  target: 2,
})
const untrained = { ham: 0, spam: 0 }
for (const { raw, kind } of messages)
  if (judge(raw, undefined).verdict.action !== 'deliver') untrained[kind === 'spam' ? 'spam' : 'ham']++
const spams = messages.filter(({ kind }) => kind === 'spam').length
report({
  bench: 'filter',
  metric: 'untrained_ham_junked',
  value: (100 * untrained.ham) / (messages.length - spams),
  unit: '%',
  n: messages.length - spams,
})
report({ bench: 'filter', metric: 'untrained_spam_caught', value: (100 * untrained.spam) / spams, unit: '%', n: spams })
