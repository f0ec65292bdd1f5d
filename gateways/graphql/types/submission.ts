import type { RecipientRow, SubmissionRow } from '../../../projections/queries.ts'
import { builder } from '../builder.ts'
import { checkPage } from './connection.ts'

const RecipientType = builder.objectRef<RecipientRow>('SubmissionRecipient').implement({
  fields: (t) => ({
    address: t.exposeString('address'),
    state: t.exposeString('state'),
    answer: t.exposeString('answer'),
    attempts: t.exposeInt('attempts'),
    nextAttemptAt: t.field({ type: 'DateTime', nullable: true, resolve: (row) => row.nextAttemptAt }),
  }),
})

const SubmissionType = builder.objectRef<SubmissionRow>('Submission').implement({
  fields: (t) => ({
    id: t.exposeID('id'),
    messageId: t.exposeID('messageId'),
    subject: t.exposeString('subject'),
    submittedAt: t.field({ type: 'DateTime', resolve: (row) => row.submittedAt }),
    sendAt: t.field({ type: 'DateTime', resolve: (row) => row.sendAt }),
    state: t.exposeString('state'),
    recipients: t.field({ type: [RecipientType], resolve: (row) => row.recipients }),
  }),
})

builder.queryField('submissions', (t) =>
  t.field({
    type: [SubmissionType],
    args: { first: t.arg.int({ defaultValue: 50 }) },
    resolve: (_root, args, { accountId, services }) =>
      services.deps.views.submissions.submissions(accountId, { first: checkPage(args).first }),
  }),
)
