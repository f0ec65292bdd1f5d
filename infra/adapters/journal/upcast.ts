// Older events brought to their newest shape. This is the only place that knows that there ever was another.

export const NEWEST_SCHEMA = 1

type Upcaster = (type: string, data: Record<string, unknown>) => Record<string, unknown>

/** Upcaster N brings payloads of schema N to schema N + 1; index 0 is unused. None yet. */
const UPCASTERS: readonly (Upcaster | undefined)[] = [undefined]

export class NewerSchema extends Error {}

/** Throws for a schema newer than this program: an older Everpost must not guess at newer facts. */
export function upcast(type: string, schema: number, data: Record<string, unknown>): Record<string, unknown> {
  if (schema > NEWEST_SCHEMA)
    throw new NewerSchema(
      `${type} has schema ${schema}, newer than this program's ${NEWEST_SCHEMA}: install that version`,
    )
  let newest = data
  for (let version = schema; version < NEWEST_SCHEMA; version++) newest = UPCASTERS[version]?.(type, newest) ?? newest
  return newest
}
