// A letter on a colour that always is the same for the same address.

interface AvatarProps {
  readonly name: string
  readonly seed: string
  readonly size?: 28 | 36
}

export function Avatar({ name, seed, size = 28 }: AvatarProps) {
  let hash = 0
  for (const char of seed.toLowerCase()) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0
  const letter = [...name.replace(/^[^\p{L}\p{N}]+/u, '')][0] ?? '?'
  return (
    <span className={`avatar hue-${hash % 8} size-${size}`} aria-hidden="true">
      {letter.toUpperCase()}
    </span>
  )
}
