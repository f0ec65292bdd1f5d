// Puts together what protects the inbox: the engines of the settings, authentication, and who may connect.
import type { FilterInUse } from '../commands/check-mail.ts'
import type { MailFilter } from '../commands/ports/mail-filter.ts'
import type { Resolver } from '../commands/ports/resolver.ts'
import type { SharedState } from '../gateways/limits/shared-state.ts'
import { ConnectionPolicy } from '../gateways/smtp/connection-policy.ts'
import type { InboundProtection } from '../gateways/smtp/receive.ts'
import type { Cache } from '../projections/ports/cache.ts'
import type { FilterQueries } from '../projections/queries.ts'
import { AttachmentFilter } from './adapters/mail-filter/attachments.ts'
import { BuiltinFilter } from './adapters/mail-filter/builtin.ts'
import { ClamdFilter } from './adapters/mail-filter/clamd.ts'
import type { FeatureReader } from './adapters/mail-filter/feature-reader.ts'
import { RspamdFilter } from './adapters/mail-filter/rspamd.ts'
import { SpamdFilter } from './adapters/mail-filter/spamd.ts'
import { connectionPolicyOf, type EngineSettings, enginesOf, type FilterSettings } from './filter-settings.ts'

export interface ProtectionParts {
  readonly filter: FilterQueries
  readonly features: FeatureReader
  readonly resolver: Resolver
  readonly cache: Cache
  readonly sharedState: SharedState
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
}

export function protectionOf(
  settings: FilterSettings,
  parts: ProtectionParts,
): { readonly policy: ConnectionPolicy; readonly protection: InboundProtection } {
  const { resolver, cache, sharedState, log } = parts
  const policy = new ConnectionPolicy(connectionPolicyOf(settings), { resolver, cache, sharedState, now: Date.now })
  const filters = enginesOf(settings).flatMap((engine): readonly FilterInUse[] => {
    const { timeoutMs, onFailure } = engine
    return filtersOf(engine, parts).map((filter) => ({ filter, timeoutMs, onFailure }))
  })
  return {
    policy,
    protection: {
      checks: {
        filters,
        thresholds: { junk: settings.junkScore, reject: settings.rejectScore },
        onFailure: (filter, error) => log('filter failed', { filter, error: String(error) }),
      },
      authentication: settings.authentication
        ? {
            resolver,
            policy: { trustedSealers: settings.trustedSealers ?? [] },
            timeoutMs: settings.authenticationSeconds * 1000,
            onFailure: settings.authenticationOnFailure,
          }
        : undefined,
      trusts: (address) => policy.trusts(address),
    },
  }
}

function filtersOf(engine: EngineSettings, { filter, features }: ProtectionParts): readonly MailFilter[] {
  switch (engine.kind) {
    case 'builtin':
      return [new BuiltinFilter(filter, features), new AttachmentFilter()]
    case 'rspamd':
      return [new RspamdFilter(engine)]
    case 'spamd':
      return [new SpamdFilter(engine)]
    case 'clamd':
      return [new ClamdFilter(engine)]
    default: {
      const _: never = engine.kind
      return _
    }
  }
}
