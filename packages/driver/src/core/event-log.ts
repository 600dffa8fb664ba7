// What happened, for people: a bounded list. Sequence numbers grow over leaders too, a gap says that older events are gone.
import type { JobEvent, WatchRequest } from '@tidemark/wire'

/** More events than one leadership ever has. */
const SEQUENCES_PER_EPOCH = 1_000_000_000

export class EventLog {
  readonly #max: number
  readonly #events: JobEvent[] = []
  #sequence: number

  constructor(epoch: number, eventsMax: number) {
    this.#sequence = epoch * SEQUENCES_PER_EPOCH
    this.#max = eventsMax
  }

  add(event: Omit<JobEvent, 'sequence'>): JobEvent {
    this.#sequence += 1
    const numbered = { sequence: this.#sequence, ...event }
    this.#events.push(numbered)
    if (this.#events.length > this.#max) this.#events.shift()
    return numbered
  }

  /** Events of executors concern every job. */
  after({ job, after }: Pick<WatchRequest, 'job' | 'after'>): JobEvent[] {
    return this.#events.filter((event) => event.sequence > after && concerns(event, job))
  }
}

export const concerns = (event: JobEvent, job: string | undefined): boolean => job === undefined || event.job === undefined || event.job === job
