import { type PointerEvent as ReactPointerEvent, useRef } from 'react'

interface ResizerProps {
  readonly label: string
  readonly value: number
  readonly min: number
  readonly max: number
  readonly initial: number
  readonly onChange: (value: number) => void
}

const STEP = 16

/** The line between two panes: drag it, or arrows, Home, End; double-click puts it back. */
export function Resizer({ label, value, min, max, initial, onChange }: ResizerProps) {
  const start = useRef<{ x: number; value: number }>(undefined)
  const set = (next: number) => onChange(Math.round(Math.max(min, Math.min(max, next))))
  const move = (event: ReactPointerEvent) => {
    if (start.current) set(start.current.value + event.clientX - start.current.x)
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: a movable separator is not a rule between paragraphs
    <div
      role="separator"
      aria-orientation="vertical"
      aria-label={label}
      aria-valuenow={value}
      aria-valuemin={min}
      aria-valuemax={max}
      tabIndex={0}
      className="resizer"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        start.current = { x: event.clientX, value }
      }}
      onPointerMove={move}
      onPointerUp={() => {
        start.current = undefined
      }}
      onDoubleClick={() => set(initial)}
      onKeyDown={(event) => {
        const next = { ArrowLeft: value - STEP, ArrowRight: value + STEP, Home: min, End: max }[event.key]
        if (next === undefined) return
        event.preventDefault()
        set(next)
      }}
    />
  )
}
