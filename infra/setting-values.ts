// Single values of settings: each reader takes what a file or the environment holds, or refuses it with the key and the reason.

export class ConfigError extends Error {
  constructor(key: string, reason: string) {
    super(`Setting ${key}: ${reason}`)
    this.name = 'ConfigError'
  }
}

export function section(file: Record<string, unknown>, key: string, name = key): Record<string, unknown> {
  const found = file[key] ?? {}
  if (typeof found !== 'object' || Array.isArray(found)) throw new ConfigError(name, 'must be a map')
  return found as Record<string, unknown>
}

export function known(key: string, file: Record<string, unknown>, names: readonly string[]): void {
  for (const name of Object.keys(file))
    if (!names.includes(name)) throw new ConfigError(`${key}.${name}`, `is not one of ${names.join(', ')}`)
}

export function text(key: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new ConfigError(key, `${JSON.stringify(value)} is not a text`)
  return value
}

export function flag(key: string, value: unknown): boolean {
  if (value === true || value === '1' || value === 'true') return true
  if (value === false || value === '0' || value === 'false' || value === '') return false
  throw new ConfigError(key, `${JSON.stringify(value)} is not true or false`)
}

/** A number from `least` to `most`; text of the environment too. */
export function number(key: string, value: unknown, least: number, most: number): number {
  const read = typeof value === 'string' && /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : value
  if (typeof read !== 'number' || !(read >= least && read <= most))
    throw new ConfigError(key, `${JSON.stringify(value)} is not a number from ${least} to ${most}`)
  return read
}

/** A list, or text with commas between. */
export function list(key: string, value: unknown): readonly string[] {
  const entries = Array.isArray(value) ? value : text(key, value).split(',')
  return entries.map((entry) => text(key, typeof entry === 'string' ? entry.trim() : entry))
}
