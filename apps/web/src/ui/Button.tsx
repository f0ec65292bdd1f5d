import type { LucideIcon } from 'lucide-react'
import type { ComponentProps, Ref } from 'react'
import { keyLabel } from '../keyboard/keymap.ts'

interface IconButtonProps extends Omit<ComponentProps<'button'>, 'children'> {
  readonly icon: LucideIcon
  readonly label: string
  /** The command whose shortcut the tooltip tells. */
  readonly command?: string
  readonly size?: 16 | 20
  readonly filled?: boolean
  readonly ref?: Ref<HTMLButtonElement>
}

/** A button that is only a picture: it always has a name and a tooltip. */
export function IconButton({ icon: Icon, label, command, size = 16, filled, className, ...rest }: IconButtonProps) {
  const shortcut = command ? keyLabel(command) : ''
  return (
    <button
      type="button"
      aria-label={label}
      title={shortcut ? `${label} (${shortcut})` : label}
      className={`icon-button ${className ?? ''}`}
      {...rest}
    >
      <Icon size={size} strokeWidth={1.75} fill={filled ? 'currentColor' : 'none'} aria-hidden="true" />
    </button>
  )
}

interface ButtonProps extends ComponentProps<'button'> {
  readonly icon?: LucideIcon
  readonly look?: 'primary' | 'plain' | 'quiet' | 'danger'
}

export function Button({ icon: Icon, look = 'plain', className, children, ...rest }: ButtonProps) {
  return (
    <button type="button" className={`button ${look} ${className ?? ''}`} {...rest}>
      {Icon && <Icon size={16} strokeWidth={1.75} aria-hidden="true" />}
      {children}
    </button>
  )
}
