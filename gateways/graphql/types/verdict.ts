import type { FilterReason, FilterVerdict } from '../../../domain/filter/verdict.ts'
import { builder } from '../builder.ts'

const FilterReasonType = builder.objectRef<FilterReason>('FilterReason').implement({
  fields: (t) => ({
    engine: t.exposeString('engine'),
    rule: t.exposeString('rule'),
    score: t.exposeFloat('score', { description: 'Points; negative ones speak for the message.' }),
    text: t.exposeString('text', { description: 'One sentence in English, empty when the engine gives only a name.' }),
  }),
})

export const FilterVerdictType = builder.objectRef<FilterVerdict>('FilterVerdict').implement({
  fields: (t) => ({
    action: t.exposeString('action', { description: 'deliver, junk, quarantine or reject.' }),
    score: t.exposeFloat('score'),
    malware: t.boolean({ resolve: (verdict) => verdict.malware ?? false }),
    reasons: t.field({ type: [FilterReasonType], resolve: (verdict) => verdict.reasons }),
  }),
})
