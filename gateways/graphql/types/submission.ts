import type { RecipientRow, SubmissionRow } from '../../../projections/queries.ts'
import { builder } from '../builder.ts'
import { checkPage } from './connection.ts'

const ReportType = builder.objectRef<NonNullable<RecipientRow['report']>>('DeliveryReport').implement({
  description: 'What another server reported after it had taken the message.',
  fields: (t) => ({
    action: t.exposeString('action'),
    status: t.exposeString('status'),
    answer: t.exposeString('answer'),
    remote: t.exposeString('remote', { nullable: true }),
  }),
})

const RecipientType = builder.objectRef<RecipientRow>('SubmissionRecipient').implement({
  fields: (t) => ({
    address: t.exposeString('address'),
    state: t.exposeString('state'),
    answer: t.exposeString('answer'),
    status: t.exposeString('status', {
      nullable: true,
      description: 'Enhanced status code (RFC 3463) of the last answer.',
    }),
    remote: t.exposeString('remote', { nullable: true, description: 'The host that gave it.' }),
    attempts: t.exposeInt('attempts'),
    report: t.field({ type: ReportType, nullable: true, resolve: (row) => row.report }),
    nextAttemptAt: t.field({ type: 'DateTime', nullable: true, resolve: (row) => row.nextAttemptAt }),
  }),
})

export const SubmissionType = builder.objectRef<SubmissionRow>('Submission').implement({
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
