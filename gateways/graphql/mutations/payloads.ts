import type { Revision } from '../../../domain/log.ts'
import { builder } from '../builder.ts'

export const RevisionPayloadType = builder.objectRef<{ readonly revision: Revision }>('RevisionPayload').implement({
  fields: (t) => ({ revision: t.field({ type: 'Revision', resolve: (payload) => payload.revision }) }),
})
