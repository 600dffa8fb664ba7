// What the driver's procedures work with.
import type { Clock, ExecutorId, JobId, Log, Logger, ObjectStore, SlotId } from '@tidemark/base'
import type { Owner, Rules } from '@tidemark/checkpoint'

export interface DriverPorts {
  readonly log: Log
  readonly store: ObjectStore
  readonly clock: Clock
  readonly logger: Logger
}

/** One leadership: who writes records and files in its name. */
export interface Leadership {
  readonly epoch: number
  /** UUID of the driver process. */
  readonly driver: string
  readonly rules: Rules
  /** Number of this driver's next producer session, over all jobs: an id is initialised once (R5). */
  nextSession(): number
  /** Whoever reads and then writes a job's definition does it in here, one after the other. */
  exclusive<T>(job: JobId, work: () => Promise<T>): Promise<T>
}

/** In journals a driver is an owner without a slot. Another leadership of the same process is another owner. */
export const ownerOf = ({ driver, epoch }: Leadership): Owner => ({ executor: driver as ExecutorId, slot: -1, slotId: `${driver}-${epoch}` as SlotId })

export const makeLeadership = (facts: Pick<Leadership, 'epoch' | 'driver' | 'rules'>): Leadership => {
  let sessions = 0
  const last = new Map<JobId, Promise<unknown>>()
  return {
    ...facts,
    nextSession: () => ++sessions,
    exclusive: (job, work) => {
      const mine = (last.get(job) ?? Promise.resolve()).then(work, work)
      last.set(job, mine)
      return mine
    },
  }
}
