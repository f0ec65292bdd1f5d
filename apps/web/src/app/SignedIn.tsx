// The signed-in app: one mailbox, its live link, and the shell around it.

import { useEffect, useState } from 'react'
import { CommandQueue } from '../data/commands.ts'
import { Details } from '../data/details.ts'
import { FOLDERS } from '../data/documents.ts'
import { graphql } from '../data/graphql.ts'
import { keepLive } from '../data/live.ts'
import { Mailbox } from '../data/mailbox.ts'
import type { Folder } from '../data/types.ts'
import { t } from '../i18n/index.ts'
import { Actions } from '../mail/actions.ts'
import { reopenKept } from '../mail/composer/composers.ts'
import { SignInForm } from '../session/SignIn.tsx'
import type { Start } from '../session/session.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { type Desk, DeskContext } from './context.ts'
import { Shell } from './Shell.tsx'

function makeDesk(start: Start): Desk {
  const mailbox = new Mailbox(start.me, start.folders)
  const details = new Details(mailbox)
  const queue = new CommandQueue(mailbox)
  return { mailbox, details, queue, actions: new Actions(mailbox, queue) }
}

export function SignedIn({ start, expired }: { readonly start: Start; readonly expired: boolean }) {
  const [desk] = useState(() => makeDesk(start))
  useEffect(() => {
    const { mailbox, queue } = desk
    queue.resume()
    let first = true
    const onLive = () => {
      queue.wake()
      mailbox.forgetErrors()
      if (first) {
        first = false
        return
      }
      // Changes that came while the link was down bring their counts along; a link that was down for other reasons may not.
      graphql<{ folders: readonly Folder[] }>(FOLDERS, {}).then(
        ({ folders }) => mailbox.replaceFolders(folders),
        () => {},
      )
    }
    return keepLive(mailbox, onLive)
  }, [desk])
  useEffect(() => reopenKept(desk.mailbox.account.id), [desk])
  useEffect(() => {
    if (!expired) desk.queue.wake()
  }, [desk, expired])
  return (
    <DeskContext value={desk}>
      <Shell />
      {expired && (
        <Dialog title={t('expiredTitle')} onClose={() => {}} dismissible={false}>
          <p>{t('expiredText')}</p>
          <SignInForm address={start.me.address} />
        </Dialog>
      )}
    </DeskContext>
  )
}
