import { changeRules, type RulesCommand } from '../../../commands/filter-rules.ts'
import type { Problem } from '../../../domain/sieve/limits.ts'
import { ProblemError } from '../../web/problem.ts'
import { builder, type GraphqlContext } from '../builder.ts'
import { FilterProblemType, FilterRulesType, type RulesRow, rulesRows } from '../types/filter-rules.ts'

interface Changed {
  readonly rules: readonly RulesRow[]
  readonly problems: readonly Problem[]
}

const FilterRulesPayloadType = builder.objectRef<Changed>('FilterRulesPayload').implement({
  fields: (t) => ({
    rules: t.field({
      type: [FilterRulesType],
      description: 'All of the account, as they are now.',
      resolve: ({ rules }) => rules,
    }),
    problems: t.field({
      type: [FilterProblemType],
      description: 'Why nothing was saved; empty when it was.',
      resolve: ({ problems }) => problems,
    }),
  }),
})

/** What is wrong with a script is part of the answer; every other refusal is an error. */
async function change(context: GraphqlContext, ...commands: readonly RulesCommand[]): Promise<Changed> {
  const { journal } = context.services.deps
  for (const command of commands) {
    const changed = await changeRules(journal, context.command(), context.accountId, command)
    if (changed.ok) continue
    if ('problems' in changed) return { rules: await rulesRows(context), problems: changed.problems }
    const { code, message } = changed.refusal
    throw new ProblemError(code === 'no-such-rules' ? 404 : code === 'busy' ? 503 : 422, code, message)
  }
  return { rules: await rulesRows(context), problems: [] }
}

builder.mutationFields((t) => ({
  saveFilterRules: t.field({
    type: FilterRulesPayloadType,
    args: {
      name: t.arg.string({ required: true }),
      script: t.arg.string({ required: true }),
      activate: t.arg.boolean({ defaultValue: false, description: 'Puts it in force too.' }),
    },
    resolve: (_root, { name, script, activate }, context) =>
      change(
        context,
        { type: 'ChangeFilterRules', name, script },
        ...(activate ? [{ type: 'ActivateFilterRules', name } as const] : []),
      ),
  }),
  activateFilterRules: t.field({
    type: FilterRulesPayloadType,
    args: { name: t.arg.string({ description: 'Without a name no rules are in force.' }) },
    resolve: (_root, { name }, context) => change(context, { type: 'ActivateFilterRules', name: name ?? null }),
  }),
  renameFilterRules: t.field({
    type: FilterRulesPayloadType,
    args: { name: t.arg.string({ required: true }), newName: t.arg.string({ required: true }) },
    resolve: (_root, { name, newName }, context) => change(context, { type: 'RenameFilterRules', name, newName }),
  }),
  deleteFilterRules: t.field({
    type: FilterRulesPayloadType,
    args: { name: t.arg.string({ required: true }) },
    resolve: (_root, { name }, context) => change(context, { type: 'DeleteFilterRules', name }),
  }),
}))
