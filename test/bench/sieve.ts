// What filter rules cost at delivery: a script of 100 rules on real mail, all of it that happens for each message once the script is
// compiled. Prints one JSON object a line. The real mail is found as in test/mime/corpus.ts.
import { readMail } from '../../domain/mail/read.ts'
import { compileScript } from '../../domain/sieve/compile.ts'
import { SieveMessage } from '../../domain/sieve/message.ts'
import type { Program } from '../../domain/sieve/program.ts'
import { runScript } from '../../domain/sieve/run.ts'
import { corpus } from '../mime/corpus.ts'

const RULES = 100
const ROUNDS = 5

/** Rules as people have them, of which none decides early: every message goes through all hundred. */
function script(): string {
  const rule = (i: number): string => {
    const action = `{ fileinto "Folder ${i}"; stop; }`
    switch (i % 10) {
      case 0:
        return `if header :contains "list-id" "list${i}.example.org" ${action}`
      case 1:
        return `if address :is "from" "person${i}@example.org" ${action}`
      case 2:
        return `if header :contains ["subject", "comments"] ["invoice ${i}", "order ${i}", "ticket ${i}"] ${action}`
      case 3:
        return `if address :domain :is ["from", "reply-to"] ["shop${i}.example", "news${i}.example"] ${action}`
      case 4:
        return `if header :matches "subject" "[project-${i}]*" ${action}`
      case 5:
        return `if allof (address :contains ["to", "cc"] "team${i}@", not header :is "precedence" "bulk") ${action}`
      case 6:
        return `if anyof (exists "x-rule-${i}", size :over 40M) ${action}`
      case 7:
        return `if envelope :detail "to" "tag${i}" ${action}`
      case 8:
        return `if header :matches "received" "*from host${i}.*.example (*)*" ${action}`
      default:
        return `if header :value "ge" :comparator "i;ascii-numeric" "x-spam-level-${i}" "5" ${action}`
    }
  }
  const rules = Array.from({ length: RULES }, (_, i) => rule(i))
  const extensions = '["fileinto", "envelope", "subaddress", "relational", "comparator-i;ascii-numeric", "body"]'
  return `require ${extensions};\n${rules.join('\n')}\n`
}

const BODY_RULE = 'if body :contains ["unsubscribe from nothing", "certain words"] { fileinto "Words"; }\n'

function compiled(text: string): Program {
  const result = compileScript(text)
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  return result.program
}

const round = (value: number): number => Math.round(value * 10_000) / 10_000

function figures(metric: string, times: number[], unit = 'ms'): void {
  times.sort((a, b) => a - b)
  const at = (share: number) => round(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0)
  const mean = round(times.reduce((sum, time) => sum + time, 0) / times.length)
  console.log(
    JSON.stringify({ bench: 'sieve', metric, value: mean, unit, n: times.length, p50: at(0.5), p99: at(0.99) }),
  )
}

function runAll(metric: string, program: Program): void {
  const messages = corpus().map(({ raw }) => ({ raw, root: readMail(raw).root }))
  const times: number[] = []
  for (let i = 0; i < ROUNDS + 1; i++) {
    for (const { raw, root } of messages) {
      const begun = performance.now()
      const run = runScript(program, {
        message: new SieveMessage({ raw, size: raw.length, root }),
        mailFrom: 'theo@example.com',
        recipient: 'kim+news@example.test',
        now: Date.UTC(2026, 2, 1),
        zone: 0,
        folderExists: () => false,
        hasSpecialUse: () => false,
        seen: () => false,
        environment: {},
      })
      const time = performance.now() - begun
      if (!('actions' in run) || run.problem)
        throw new Error(`The script did not come to its end: ${JSON.stringify(run)}`)
      // The first round warms up.
      if (i > 0) times.push(time)
    }
  }
  figures(metric, times)
}

if (corpus().length === 0) console.log(JSON.stringify({ bench: 'sieve', skipped: 'no corpus: set EVERPOST_MAIL' }))
else {
  const source = script()
  const times: number[] = []
  for (let i = 0; i < 50; i++) {
    const begun = performance.now()
    compiled(source)
    times.push(performance.now() - begun)
  }
  figures('compile_100_rules', times.slice(10))
  runAll('run_100_rules', compiled(source))
  runAll('run_100_rules_and_body', compiled(source + BODY_RULE))
}
