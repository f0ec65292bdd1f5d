// Signs a head of the tree once a day, when the log has grown: what was in the log by then can no longer be changed unseen.
import type { Audit } from './audit.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** Looks every hour, the first time soon after the start. Trouble is told and the next look tries again. */
export function startDailyHead(
  audit: Audit,
  options: {
    readonly onSigned: (size: number) => void
    readonly onError: (error: unknown) => void
    /** After every look that went well. */
    readonly onLooked?: () => void
    readonly now?: () => number
    readonly firstMs?: number
    readonly everyMs?: number
  },
): { stop(): void } {
  const { onSigned, onError, now = Date.now, firstMs = 600_000, everyMs = HOUR } = options
  let stopped = false
  let timer: NodeJS.Timeout
  const look = async () => {
    const newest = await audit.newestHead()
    if (newest !== undefined && now() - newest.at < DAY) return
    // The newest event is the newest head: nothing came after it.
    if (newest?.position === (await audit.head())) return
    const { size, signed } = await audit.sign()
    if (signed) onSigned(size)
  }
  const again = (ms: number) => {
    timer = setTimeout(() => {
      look()
        .then(options.onLooked)
        .catch((error) => {
          if (!stopped) onError(error)
        })
        .finally(() => {
          if (!stopped) again(everyMs)
        })
    }, ms).unref()
  }
  again(firstMs)
  return {
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
