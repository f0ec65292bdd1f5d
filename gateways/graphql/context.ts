// The context of one request, or of one operation of a connection.

import type { Subscriptions } from '../realtime/subscriptions.ts'
import type { SignedIn } from '../session/sessions.ts'
import { MessageContents } from '../web/message-contents.ts'
import type { WebServices } from '../web/services.ts'
import type { GraphqlContext } from './builder.ts'

export function contextFor(
  services: WebServices,
  subscriptions: Subscriptions,
  who: SignedIn,
  client: { readonly address: string; readonly name: string },
  signal?: AbortSignal,
): GraphqlContext {
  return {
    who,
    accountId: who.account.id,
    services,
    client,
    contents: new MessageContents(services.deps.source, who.account.id),
    command: (commandId) => services.context(who, 'graphql', client, commandId),
    subscriptions,
    signal,
  }
}
