import { t } from '../i18n/index.ts'

export function Logo({ small }: { readonly small?: boolean }) {
  return (
    <span className={`logo ${small ? 'small' : ''}`}>
      <img src="/icon.svg" alt="" width={small ? 24 : 40} height={small ? 24 : 40} />
      <span>{t('appName')}</span>
    </span>
  )
}
