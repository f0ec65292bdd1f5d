import { Eye, EyeOff } from 'lucide-react'
import { type SubmitEvent, useId, useState } from 'react'
import { ApiError } from '../data/graphql.ts'
import { t, useLanguage } from '../i18n/index.ts'
import { Button, IconButton } from '../ui/Button.tsx'
import { Logo } from '../ui/Logo.tsx'
import { signIn } from './session.ts'

export function SignIn() {
  useLanguage()
  return (
    <main className="gate">
      <div className="gate-card">
        <Logo />
        <h1>{t('signInTitle')}</h1>
        <SignInForm />
      </div>
    </main>
  )
}

/** Also used over an expired session, with the address already known. */
export function SignInForm({ address: known }: { readonly address?: string }) {
  const [address, setAddress] = useState(known ?? '')
  const [password, setPassword] = useState('')
  const [error, setError] = useState<string>()
  const [busy, setBusy] = useState(false)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      await signIn(address.trim(), password)
    } catch (failure) {
      const status = failure instanceof ApiError ? failure.status : 0
      setError(status === 401 || status === 403 ? t('signInWrong') : failure instanceof Error ? failure.message : '')
    } finally {
      setBusy(false)
    }
  }
  return (
    <form className="gate-form" onSubmit={submit}>
      <label>
        {t('address')}
        <input
          type="email"
          name="address"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          readOnly={known !== undefined}
          // biome-ignore lint/a11y/noAutofocus: the page has one purpose
          autoFocus={known === undefined}
          value={address}
          onChange={(event) => setAddress(event.target.value)}
        />
      </label>
      <PasswordField
        label={t('password')}
        value={password}
        onChange={setPassword}
        autoComplete="current-password"
        autoFocus={known !== undefined}
      />
      {error !== undefined && (
        <p className="form-error" role="alert">
          {error}
        </p>
      )}
      <Button look="primary" type="submit" disabled={busy}>
        {busy ? t('signingIn') : t('signIn')}
      </Button>
    </form>
  )
}

interface PasswordFieldProps {
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly autoComplete: 'current-password' | 'new-password'
  readonly hint?: string
  readonly autoFocus?: boolean
}

export function PasswordField({ label, value, onChange, autoComplete, hint, autoFocus }: PasswordFieldProps) {
  const [shown, setShown] = useState(false)
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <span className="password-box">
        <input
          id={id}
          type={shown ? 'text' : 'password'}
          name={autoComplete}
          autoComplete={autoComplete}
          required
          // biome-ignore lint/a11y/noAutofocus: the first empty field of a form with one purpose
          autoFocus={autoFocus}
          value={value}
          {...(hint ? { 'aria-describedby': `${id}-hint` } : {})}
          onChange={(event) => onChange(event.target.value)}
        />
        <IconButton
          icon={shown ? EyeOff : Eye}
          label={shown ? t('hidePassword') : t('showPassword')}
          onClick={() => setShown(!shown)}
        />
      </span>
      {hint && (
        <small id={`${id}-hint`} className="hint">
          {hint}
        </small>
      )}
    </div>
  )
}
