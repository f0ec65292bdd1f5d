// Who may ask what: most fields are everybody's own, some are an administrator's.
import { ProblemError } from '../web/problem.ts'
import type { GraphqlContext } from './builder.ts'

export const isAdmin = ({ who }: GraphqlContext): boolean => who.account.role === 'admin'

/** Throws for everyone who is no administrator; the same words whether or not there is anything to see. */
export function requireAdmin(context: GraphqlContext): void {
  if (!isAdmin(context)) throw new ProblemError(403, 'forbidden', 'Only administrators may do that.')
}
