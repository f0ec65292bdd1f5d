// The filter that needs nothing: rules, and the models that people train by moving mail to and from Junk.
import type { Judgement, MailFilter, MailToCheck } from '../../../commands/ports/mail-filter.ts'
import { assess, encodeSignals, opinionOf } from '../../../domain/filter/assess.ts'
import type { FilterOpinion } from '../../../domain/filter/verdict.ts'
import type { AccountId } from '../../../domain/log.ts'
import type { FilterQueries } from '../../../projections/queries.ts'
import type { FeatureReader } from './feature-reader.ts'
import { Models } from './models.ts'

export class BuiltinFilter implements MailFilter {
  readonly name = 'builtin'
  readonly #models: Models

  constructor(queries: FilterQueries, features: FeatureReader) {
    this.#models = new Models(queries, features)
  }

  async check({ facts, mail, recipients }: MailToCheck): Promise<Judgement> {
    const assessment = assess(facts, mail)
    const installation = await this.#models.installation()
    const ofAccount = new Map<AccountId, FilterOpinion>()
    // Nobody has taught anything: there are no accounts to ask.
    if (installation !== undefined)
      for (const { accountId } of recipients) {
        const account = await this.#models.account(accountId)
        if (account?.ready) ofAccount.set(accountId, opinionOf(assessment, { installation, account }))
      }
    return {
      opinion: opinionOf(assessment, { installation }),
      ofAccount,
      signals: encodeSignals(assessment.signals),
    }
  }
}
