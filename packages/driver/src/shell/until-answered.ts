// What has to be known before anybody is told: a store that does not answer is asked again.
import { asTidemarkError } from '@tidemark/base'
import type { DriverPorts } from './ports.ts'

const RETRY_MS = 500
/** They are answers: another leads. */
const REPLACED = new Set(['DRIVER_REPLACED', 'DRIVER_NOT_LEADER'])

type Ports = Pick<DriverPorts, 'clock' | 'logger'>
type Facts = Readonly<Record<string, unknown>>

/**
 * Tries again for as long as nobody answers; any other error rejects. `body` says from when on there is no way back, in this try and all that follow: then who
 * answered with an error is asked again too, and only the end of this driver's leadership or of its process is an end.
 */
export const untilAnswered = async <T>({ clock, logger }: Ports, facts: Facts, body: (noWayBack: () => void) => Promise<T>): Promise<T> => {
  let wayBack = true
  for (;;) {
    try {
      return await body(() => { wayBack = false })
    } catch (error) {
      const known = asTidemarkError(error)
      if (REPLACED.has(known.code) || (wayBack ? known.action !== 'retry' : known.action === 'exit')) throw known
      logger.warn({ ...facts, error: known }, 'store.asked-again')
      await clock.sleep(RETRY_MS)
    }
  }
}

/** There is no way back from the beginning. */
export const untilKnown = <T>(ports: Ports, facts: Facts, body: () => Promise<T>): Promise<T> => untilAnswered(ports, facts, (noWayBack) => {
  noWayBack()
  return body()
})
