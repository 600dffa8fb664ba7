// What has to be known before anybody is told: a store that does not answer is asked again.
import { asTidemarkError } from '@tidemark/base'
import type { DriverPorts } from './ports.ts'

const RETRY_MS = 500
/** They are answers: another leads. */
const REPLACED = new Set(['DRIVER_REPLACED', 'DRIVER_NOT_LEADER'])

/** `nobody`: who did not answer is asked again. `anything`: who answered with an error too, for there is no way back; only the end of this driver's leadership or of its process is an end. */
export type AskedAgainAfter = 'nobody' | 'anything'

/** Tries again for as long as nobody answers; any other error rejects. */
export const untilAnswered = async <T>({ clock, logger }: Pick<DriverPorts, 'clock' | 'logger'>, facts: Readonly<Record<string, unknown>>, body: () => Promise<T>, after: AskedAgainAfter | (() => AskedAgainAfter) = 'nobody'): Promise<T> => {
  for (;;) {
    try {
      return await body()
    } catch (error) {
      const known = asTidemarkError(error)
      const now = typeof after === 'function' ? after() : after
      if (REPLACED.has(known.code) || (now === 'nobody' ? known.action !== 'retry' : known.action === 'exit')) throw known
      logger.warn({ ...facts, error: known }, 'store.asked-again')
      await clock.sleep(RETRY_MS)
    }
  }
}
