import type { DirectoryRow } from '../../../projections/queries.ts'
import { builder } from '../builder.ts'

const RoleEnum = builder.enumType('Role', {
  values: { USER: { value: 'user' }, ADMIN: { value: 'admin' }, AUDITOR: { value: 'auditor' } } as const,
})

const AccountType = builder.objectRef<DirectoryRow>('Account').implement({
  fields: (t) => ({
    id: t.exposeID('id'),
    address: t.exposeString('address'),
    name: t.exposeString('name'),
    role: t.field({ type: RoleEnum, resolve: (account) => account.role }),
    quotaBytes: t.float({ nullable: true, resolve: (account) => account.quota }),
    usedBytes: t.float({
      resolve: async ({ id }, _args, { services }) => (await services.deps.views.mailbox.usage(id)).bytes,
    }),
    messageCount: t.int({
      resolve: async ({ id }, _args, { services }) => (await services.deps.views.mailbox.usage(id)).messages,
    }),
    revision: t.field({
      type: 'Revision',
      nullable: true,
      resolve: ({ id }, _args, { services }) => services.deps.views.mailbox.accountRevision(id),
    }),
  }),
})

builder.queryField('me', (t) => t.field({ type: AccountType, resolve: (_root, _args, { who }) => who.account }))
