import { useEffect } from 'react'
import { useAtom } from '../data/atom.ts'
import { t, useLanguage } from '../i18n/index.ts'
import { listen } from '../keyboard/dispatcher.ts'
import { SignIn } from '../session/SignIn.tsx'
import { openSession, session } from '../session/session.ts'
import { Welcome } from '../session/Welcome.tsx'
import { Button } from '../ui/Button.tsx'
import { Logo } from '../ui/Logo.tsx'
import { useRoute } from './router.ts'
import { SignedIn } from './SignedIn.tsx'

export function App() {
  useLanguage()
  const state = useAtom(session)
  const at = useRoute()
  useEffect(listen, [])
  if (at.page === 'welcome') return <Welcome token={at.token} />
  switch (state.kind) {
    case 'unknown':
      return <div className="gate" aria-busy="true" />
    case 'out':
      return <SignIn />
    case 'failed':
      return (
        <main className="gate">
          <div className="gate-card" role="alert">
            <Logo />
            <p>{state.error.message}</p>
            <Button look="primary" onClick={() => void openSession()}>
              {t('retry')}
            </Button>
          </div>
        </main>
      )
    case 'in':
      return <SignedIn key={state.start.me.id} start={state.start} expired={state.expired} />
    default: {
      const never: never = state
      return never
    }
  }
}
