import { Check, type LucideIcon } from 'lucide-react'
import { type KeyboardEvent, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { createPortal } from 'react-dom'

export interface MenuItem {
  readonly label: string
  readonly run: () => void
  readonly icon?: LucideIcon
  readonly checked?: boolean
  readonly danger?: boolean
  readonly shortcut?: string
  readonly separated?: boolean
}

interface MenuProps {
  readonly items: readonly MenuItem[]
  readonly trigger: (props: { onClick: () => void; 'aria-haspopup': 'menu'; 'aria-expanded': boolean }) => ReactNode
  readonly label: string
  readonly head?: ReactNode
}

/** A button with a menu below it: arrows walk, letters jump, Esc closes. */
export function Menu({ items, trigger, label, head }: MenuProps) {
  const [open, setOpen] = useState(false)
  const anchor = useRef<HTMLSpanElement>(null)
  return (
    <span ref={anchor} className="menu-anchor">
      {trigger({ onClick: () => setOpen((now) => !now), 'aria-haspopup': 'menu', 'aria-expanded': open })}
      {open && anchor.current && (
        <MenuList
          items={items}
          label={label}
          head={head}
          anchor={anchor.current}
          close={() => {
            setOpen(false)
            anchor.current?.querySelector('button')?.focus()
          }}
        />
      )}
    </span>
  )
}

interface ListProps {
  readonly items: readonly MenuItem[]
  readonly label: string
  readonly head: ReactNode
  readonly anchor: HTMLElement
  readonly close: () => void
}

function MenuList({ items, label, head, anchor, close }: ListProps) {
  const ref = useRef<HTMLDivElement>(null)
  const [place, setPlace] = useState({ left: 0, top: 0 })
  useLayoutEffect(() => {
    const box = ref.current?.getBoundingClientRect()
    const at = anchor.getBoundingClientRect()
    if (!box) return
    const left = Math.max(8, Math.min(at.left, window.innerWidth - box.width - 8))
    const below = at.bottom + 4
    setPlace({ left, top: below + box.height > window.innerHeight - 8 ? Math.max(8, at.top - box.height - 4) : below })
    ref.current?.querySelector<HTMLElement>('[role^=menuitem]')?.focus()
  }, [anchor])
  useEffect(() => {
    const outside = (event: PointerEvent) => {
      if (event.target instanceof Node && !ref.current?.contains(event.target) && !anchor.contains(event.target))
        close()
    }
    document.addEventListener('pointerdown', outside)
    return () => document.removeEventListener('pointerdown', outside)
  }, [anchor, close])
  const onKeyDown = (event: KeyboardEvent) => {
    const all = [...(ref.current?.querySelectorAll<HTMLElement>('[role^=menuitem]') ?? [])]
    const at = all.indexOf(document.activeElement as HTMLElement)
    const go = (index: number) => all[(index + all.length) % all.length]?.focus()
    if (event.key === 'ArrowDown') go(at + 1)
    else if (event.key === 'ArrowUp') go(at - 1)
    else if (event.key === 'Home') go(0)
    else if (event.key === 'End') go(-1)
    else if (event.key === 'Escape' || event.key === 'Tab') close()
    else if (event.key.length === 1 && event.key !== ' ') {
      all.find((item) => item.textContent?.toLowerCase().startsWith(event.key.toLowerCase()))?.focus()
      return
    } else return
    event.preventDefault()
    event.stopPropagation()
  }
  return createPortal(
    <div ref={ref} className="menu" style={place}>
      {head}
      <div role="menu" aria-label={label} tabIndex={-1} onKeyDown={onKeyDown}>
        {items.map((item) => (
          <button
            key={item.label}
            type="button"
            tabIndex={-1}
            role={item.checked === undefined ? 'menuitem' : 'menuitemradio'}
            {...(item.checked === undefined ? {} : { 'aria-checked': item.checked })}
            className={`menu-item ${item.danger ? 'danger' : ''} ${item.separated ? 'separated' : ''}`}
            onClick={() => {
              close()
              item.run()
            }}
          >
            <span className="menu-icon" aria-hidden="true">
              {item.checked ? <Check size={16} /> : item.icon ? <item.icon size={16} strokeWidth={1.75} /> : null}
            </span>
            <span className="menu-label">{item.label}</span>
            {item.shortcut && <kbd>{item.shortcut}</kbd>}
          </button>
        ))}
      </div>
    </div>,
    document.body,
  )
}
