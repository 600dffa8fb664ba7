// What has to be known before anybody is told: a store that does not answer is asked again.
import { asTidemarkError } from '@tidemark/base'
import type { DriverPorts } from './ports.ts'

const RETRY_MS = 500
/** They are answers: another leads. */
const REPLACED = new Set(['DRIVER_REPLACED', 'DRIVER_NOT_LEADER'])

/** Tries again for as long as nobody answers; any other error rejects. */
export const untilAnswered = async <T>({ clock, logger }: Pick<DriverPorts, 'clock' | 'logger'>, facts: Readonly<Record<string, unknown>>, body: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await body()
    } catch (error) {
      const known = asTidemarkError(error)
      if (known.action !== 'retry' || REPLACED.has(known.code)) throw known
      logger.warn({ ...facts, error: known }, 'submit.store-not-reached')
      await clock.sleep(RETRY_MS)
    }
  }
}
