// Reads the fields of a JSON body; what is wrong is a problem that names the field.
import type { FastifyRequest } from 'fastify'
import { ProblemError } from './problem.ts'

const wrong = (field: string, detail: string) => new ProblemError(422, 'bad-field', detail, { field })

export class Fields {
  readonly #values: Readonly<Record<string, unknown>>
  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  text(name: string, { max }: { readonly max: number }): string {
    const value = this.optionalText(name, { max })
    if (value === undefined || value === '') throw wrong(name, `The field ${name} is missing.`)
    return value
  }

  optionalText(name: string, { max }: { readonly max: number }): string | undefined {
    const value = this.#values[name]
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'string') throw wrong(name, `The field ${name} must be text.`)
    if (value.length > max) throw wrong(name, `The field ${name} takes at most ${max} characters.`)
    return value
  }

  /** A list; one bare value counts as a list of one. */
  list(name: string, { max }: { readonly max: number }): readonly unknown[] {
    const value = this.#values[name]
    if (value === undefined || value === null) return []
    const list = Array.isArray(value) ? (value as readonly unknown[]) : [value]
    if (list.length > max) throw wrong(name, `The field ${name} takes at most ${max} entries.`)
    return list
  }

  /** ISO 8601 with an offset, as epoch milliseconds. */
  optionalTime(name: string): number | undefined {
    const text = this.optionalText(name, { max: 40 })
    if (text === undefined) return undefined
    const time = parseInstant(text)
    if (time === undefined) throw wrong(name, `The field ${name} must be an instant such as 2026-03-01T09:00:00+09:00.`)
    return time
  }
}

/** The body of a JSON request as fields. */
export function bodyFields(request: FastifyRequest): Fields {
  const { body } = request
  if (typeof body !== 'object' || body === null || Array.isArray(body) || Buffer.isBuffer(body))
    throw new ProblemError(400, 'bad-body', 'The body must be a JSON object.')
  return new Fields(body as Record<string, unknown>)
}

export const badField = wrong

/** RFC 3339: a date, a time and an offset. Undefined for everything else. */
export function parseInstant(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)$/i.test(text)) return undefined
  const time = Date.parse(text)
  return Number.isFinite(time) ? time : undefined
}
