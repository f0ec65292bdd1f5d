import { AttachmentFilter } from '../../infra/adapters/mail-filter/attachments.ts'
import { BuiltinFilter } from '../../infra/adapters/mail-filter/builtin.ts'
import { ClamdFilter } from '../../infra/adapters/mail-filter/clamd.ts'
import { FeatureReader } from '../../infra/adapters/mail-filter/feature-reader.ts'
import { RspamdFilter } from '../../infra/adapters/mail-filter/rspamd.ts'
import { SpamdFilter } from '../../infra/adapters/mail-filter/spamd.ts'
import type { FilterQueries } from '../../projections/queries.ts'
import {
  clamdSays,
  rspamdSays,
  spamdSays,
  startDouble,
  streamed,
  wholeHttp,
  wholeSpamd,
} from '../support/filter-doubles.ts'
import { EICAR_MESSAGE, GTUBE_MESSAGE, mailFilterContract } from './mail-filter.ts'

const untrained = { trainingVersion: async () => 'null:0', examples: async () => [] } as unknown as FilterQueries
const nothing = new FeatureReader({ messagesById: async () => [] }, { readPositions: async () => [] })

mailFilterContract('builtin', () => new BuiltinFilter(untrained, nothing), { spam: GTUBE_MESSAGE })
mailFilterContract('attachments', () => new AttachmentFilter(), { virus: EICAR_MESSAGE })
mailFilterContract('rspamd', async (t) => new RspamdFilter(await startDouble(t, wholeHttp, rspamdSays)), {
  spam: GTUBE_MESSAGE,
})
mailFilterContract('spamd', async (t) => new SpamdFilter(await startDouble(t, wholeSpamd, spamdSays)), {
  spam: GTUBE_MESSAGE,
})
mailFilterContract(
  'clamd',
  async (t) => new ClamdFilter(await startDouble(t, (request) => streamed(request) !== undefined, clamdSays)),
  { virus: EICAR_MESSAGE },
)
