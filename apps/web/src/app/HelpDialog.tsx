import { type TextKey, t } from '../i18n/index.ts'
import { type KeyGroup, keymap, spell } from '../keyboard/keymap.ts'
import { Button } from '../ui/Button.tsx'
import { Dialog } from '../ui/Dialog.tsx'

const groups: readonly (readonly [KeyGroup, TextKey])[] = [
  ['global', 'groupGlobal'],
  ['list', 'groupList'],
  ['reader', 'groupReader'],
  ['composer', 'groupComposer'],
]

export function HelpDialog({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title={t('help')} onClose={onClose} className="help">
      <div className="help-groups">
        {groups.map(([group, title]) => (
          <section key={group}>
            <h3>{t(title)}</h3>
            <dl>
              {keymap
                .filter((binding) => binding.group === group)
                .map((binding) => (
                  <div key={binding.command}>
                    <dt>{t(binding.text)}</dt>
                    <dd>
                      {binding.keys.map((keys) => (
                        <span key={keys} className="keys">
                          {spell(keys)
                            .split(' ')
                            .map((key) => (
                              <kbd key={key}>{key}</kbd>
                            ))}
                        </span>
                      ))}
                    </dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
      </div>
      <div className="dialog-buttons">
        <Button onClick={onClose}>{t('close')}</Button>
      </div>
    </Dialog>
  )
}
