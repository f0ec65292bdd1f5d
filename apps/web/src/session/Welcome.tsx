import { type SubmitEvent, useEffect, useState } from 'react'
import { HOME, navigate } from '../app/router.ts'
import { t, useLanguage } from '../i18n/index.ts'
import { Button } from '../ui/Button.tsx'
import { Logo } from '../ui/Logo.tsx'
import { PasswordField } from './SignIn.tsx'
import { openSession, redeemWelcome, setFirstPassword } from './session.ts'

// Links work once, and React runs effects twice while developing.
const redeemed = new Map<string, ReturnType<typeof redeemWelcome>>()

/** The page behind a one-time sign-in link: signs in and asks for the first password. */
export function Welcome({ token }: { readonly token: string }) {
  useLanguage()
  const [state, setState] = useState<'checking' | 'used' | 'password'>('checking')
  const [address, setAddress] = useState<string>()
  useEffect(() => {
    const answer = redeemed.get(token) ?? redeemWelcome(token)
    redeemed.set(token, answer)
    answer.then(
      (welcome) => {
        setAddress(welcome?.address)
        if (welcome?.mustSetPassword === false || welcome?.hasPassword === true) void enter()
        else setState('password')
      },
      () => setState('used'),
    )
  }, [token])
  return (
    <main className="gate">
      <div className="gate-card">
        <Logo />
        <h1>{t('welcomeTitle')}</h1>
        {state === 'checking' && <p role="status">{t('welcomeChecking')}</p>}
        {state === 'used' && (
          <>
            <p role="alert">{t('welcomeUsed')}</p>
            <Button look="primary" onClick={() => void enter()}>
              {t('signIn')}
            </Button>
          </>
        )}
        {state === 'password' && <FirstPassword address={address ?? t('welcomeYours')} />}
      </div>
    </main>
  )
}

async function enter(): Promise<void> {
  navigate(HOME, 'replace')
  await openSession()
}

function FirstPassword({ address }: { readonly address: string }) {
  const [password, setPassword] = useState('')
  const [again, setAgain] = useState('')
  const [error, setError] = useState<string>()
  const [busy, setBusy] = useState(false)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    if (password.length < 10) return setError(t('passwordShort'))
    if (password !== again) return setError(t('passwordDiffers'))
    setBusy(true)
    try {
      await setFirstPassword(password)
      await enter()
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure))
    } finally {
      setBusy(false)
    }
  }
  return (
    <form className="gate-form" onSubmit={submit}>
      <p>{t('welcomeText', { address })}</p>
      <PasswordField
        label={t('newPassword')}
        value={password}
        onChange={setPassword}
        autoComplete="new-password"
        hint={t('passwordRule')}
        autoFocus
      />
      <PasswordField label={t('repeatPassword')} value={again} onChange={setAgain} autoComplete="new-password" />
      {error !== undefined && (
        <p className="form-error" role="alert">
          {error}
        </p>
      )}
      <Button look="primary" type="submit" disabled={busy}>
        {t('savePassword')}
      </Button>
    </form>
  )
}
