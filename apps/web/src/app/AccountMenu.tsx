import { Keyboard, ListFilter, LogOut, ShieldAlert } from 'lucide-react'
import { type Preferences, setPreferences, usePreferences } from '../data/preferences.ts'
import { type TextKey, t } from '../i18n/index.ts'
import { signOut } from '../session/session.ts'
import { Avatar } from '../ui/Avatar.tsx'
import { fileSize } from '../ui/format.ts'
import { Menu } from '../ui/Menu.tsx'
import { useDesk } from './context.ts'
import { navigate } from './router.ts'

const themes: readonly (readonly [Preferences['theme'], TextKey])[] = [
  ['system', 'themeSystem'],
  ['light', 'themeLight'],
  ['dark', 'themeDark'],
]
const densities: readonly (readonly [Preferences['density'], TextKey])[] = [
  ['compact', 'densityCompact'],
  ['regular', 'densityRegular'],
  ['comfortable', 'densityComfortable'],
]
const languages = [
  ['en', 'English'],
  ['ko', '한국어'],
] as const

/** Who is signed in, how the app looks, and the way out. */
export function AccountMenu({ onHelp }: { readonly onHelp: () => void }) {
  const { mailbox } = useDesk()
  const { account } = mailbox
  const now = usePreferences()
  const used = fileSize(account.usedBytes)
  return (
    <Menu
      label={t('settings')}
      trigger={(props) => (
        <button type="button" className="account-button" aria-label={t('settings')} title={account.address} {...props}>
          <Avatar name={account.name || account.address} seed={account.address} />
        </button>
      )}
      head={
        <div className="menu-head">
          <strong>{account.name}</strong>
          <span>{account.address}</span>
          <small>
            {account.quotaBytes
              ? t('storageOf', { used, quota: fileSize(account.quotaBytes) })
              : t('storage', { used })}
          </small>
        </div>
      }
      items={[
        ...themes.map(([theme, text], index) => ({
          label: `${t('theme')}: ${t(text)}`,
          checked: now.theme === theme,
          separated: index === 0,
          run: () => setPreferences({ theme }),
        })),
        ...densities.map(([density, text], index) => ({
          label: `${t('density')}: ${t(text)}`,
          checked: now.density === density,
          separated: index === 0,
          run: () => setPreferences({ density }),
        })),
        ...languages.map(([language, name], index) => ({
          label: name,
          checked: now.language === language,
          separated: index === 0,
          run: () => setPreferences({ language }),
        })),
        {
          label: t('singleKeys'),
          checked: now.singleKeys,
          separated: true,
          run: () => setPreferences({ singleKeys: !now.singleKeys }),
        },
        {
          label: t('filterRules'),
          icon: ListFilter,
          separated: true,
          run: () => navigate({ page: 'settings', section: 'rules' }),
        },
        {
          label: t('quarantine'),
          icon: ShieldAlert,
          run: () => navigate({ page: 'settings', section: 'quarantine' }),
        },
        { label: t('help'), icon: Keyboard, shortcut: '?', run: onHelp },
        { label: t('signOut'), icon: LogOut, separated: true, run: () => void signOut() },
      ]}
    />
  )
}
