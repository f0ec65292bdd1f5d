import { checkRules, rulesOf } from '../../../commands/filter-rules.ts'
import type { Problem } from '../../../domain/sieve/limits.ts'
import { CAPABILITIES } from '../../../domain/sieve/program.ts'
import { MAX_TESTED, type TestedAction, type TestedMessage, testRules } from '../../filter-rules/test-rules.ts'
import { ProblemError } from '../../web/problem.ts'
import { builder, type GraphqlContext } from '../builder.ts'
import { MessageType } from './message.ts'

export interface RulesRow {
  readonly name: string
  readonly script: string
  readonly active: boolean
}

export const FilterRulesType = builder.objectRef<RulesRow>('FilterRules').implement({
  description: 'A Sieve script (RFC 5228).',
  fields: (t) => ({
    name: t.exposeString('name'),
    script: t.exposeString('script'),
    active: t.exposeBoolean('active', { description: 'Whether it runs on new mail: at most one does.' }),
  }),
})

export const FilterProblemType = builder.objectRef<Problem>('FilterProblem').implement({
  description: 'What is wrong with a script; line and column count from 1.',
  fields: (t) => ({ line: t.exposeInt('line'), column: t.exposeInt('column'), message: t.exposeString('message') }),
})

const FilterActionEnum = builder.enumType('FilterActionName', {
  values: {
    KEEP: { value: 'keep' },
    FILEINTO: { value: 'fileinto' },
    REDIRECT: { value: 'redirect' },
    DISCARD: { value: 'discard' },
    REJECT: { value: 'reject' },
    VACATION: { value: 'vacation' },
  } as const,
})

const FilterActionType = builder.objectRef<TestedAction>('FilterAction').implement({
  fields: (t) => ({
    action: t.field({ type: FilterActionEnum, resolve: ({ action }) => action }),
    line: t.int({
      nullable: true,
      description: 'Line of the script; null where no line says so and the message is kept.',
      resolve: ({ line }) => line,
    }),
    detail: t.string({
      nullable: true,
      description: 'The folder, the address, the reason.',
      resolve: ({ detail }) => detail,
    }),
    flags: t.stringList({ resolve: ({ flags }) => flags }),
    note: t.string({
      nullable: true,
      description: 'Why it would not be done, or done otherwise.',
      resolve: ({ note }) => note,
    }),
  }),
})

const FilterTestedType = builder.objectRef<TestedMessage>('FilterTested').implement({
  fields: (t) => ({
    message: t.field({ type: MessageType, resolve: ({ row }) => row }),
    actions: t.field({ type: [FilterActionType], resolve: ({ actions }) => actions }),
    problem: t.field({
      type: FilterProblemType,
      nullable: true,
      description: 'Why the script would not come to its end: then the message would be kept.',
      resolve: ({ problem }) => problem,
    }),
  }),
})

interface FilterTest {
  readonly problems: readonly Problem[]
  readonly messages: readonly TestedMessage[]
}

const FilterTestType = builder.objectRef<FilterTest>('FilterTest').implement({
  fields: (t) => ({
    problems: t.field({ type: [FilterProblemType], resolve: ({ problems }) => problems }),
    messages: t.field({ type: [FilterTestedType], resolve: ({ messages }) => messages }),
  }),
})

export async function rulesRows({ accountId, services }: GraphqlContext): Promise<readonly RulesRow[]> {
  const { scripts, active } = await rulesOf(services.deps.journal, accountId)
  return [...scripts].map(([name, script]) => ({ name, script, active: name === active }))
}

builder.queryFields((t) => ({
  filterRules: t.field({
    type: [FilterRulesType],
    resolve: (_root, _args, context) => rulesRows(context),
  }),
  filterExtensions: t.stringList({
    description: 'Extensions of Sieve that scripts may require.',
    resolve: () => [...CAPABILITIES],
  }),
  checkFilterRules: t.field({
    type: [FilterProblemType],
    description: 'What is wrong with a script; nothing when it can be saved.',
    args: { script: t.arg.string({ required: true }) },
    resolve: (_root, { script }) => checkRules(script),
  }),
  testFilterRules: t.field({
    type: FilterTestType,
    description: 'What a script would have done to the newest messages of a folder. Nothing is changed.',
    args: {
      script: t.arg.string({ required: true }),
      folderId: t.arg.id({ required: true }),
      last: t.arg.int({ defaultValue: 20, description: `At most ${MAX_TESTED}.` }),
    },
    resolve: async (_root, { script, folderId, last }, { who, accountId, services }) => {
      const { deps } = services
      if (!(await deps.views.mailbox.folder(accountId, folderId)))
        throw new ProblemError(404, 'no-such-folder', 'This folder does not exist.')
      const test = { script, folderId, last: last ?? 20 }
      const ports = { journal: deps.journal, source: deps.source, blobs: deps.blobs, mailbox: deps.views.mailbox }
      const tested = await testRules(ports, who.account, test)
      return { problems: [], messages: [], ...tested }
    },
  }),
}))
