// What a task's errors are: those of one record, which the job's policy handles, and those that stop the task.
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'

/** Thrown inside `work` only: the open batch must be taken back and processed again, what failed being marked. */
export class TakeBack extends Error {
  constructor() {
    super('the batch is taken back')
  }
}

/** Thrown inside `work` only: the task can't go on; what the batch did before this stays. */
export class Stop extends Error {
  readonly failure: TidemarkError

  constructor(failure: TidemarkError) {
    super(failure.message)
    this.failure = failure
  }
}

/** Codes of errors that no policy handles: with them every record would be set aside, or nothing can be trusted any more. */
const FATAL = new Set(['JOB_ASYNC_FUNCTION', 'JOB_ASYNC_SCHEMA', 'TASK_NOT_COPARTITIONED', 'INVARIANT_BROKEN', 'BLOCK_CORRUPT', 'BLOCK_TOO_NEW'])

export const isFatal = (error: unknown): boolean => isTidemarkError(error) && FATAL.has(error.code)

/** Where something failed: enough to find it again. */
export interface FaultPlace {
  readonly topic?: string
  readonly partition?: number
  readonly offset?: number
  /** `map n3`, `aggregate "totals"`. */
  readonly operator: string
}

export const codeOf = (error: unknown): string => isTidemarkError(error) ? error.code : 'TASK_USER_ERROR'
export const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

const described = (place: FaultPlace): string =>
  place.topic === undefined ? place.operator : `${place.operator}, ${place.topic}/${place.partition} offset ${place.offset}`

/** The task stops at this record, result or timer. */
export const stopError = (error: unknown, place: FaultPlace, task: TaskRef): TidemarkError => {
  const where = { ...task, ...(place.topic === undefined ? {} : { topic: place.topic, partition: place.partition ?? task.partition, offset: place.offset ?? -1 }) }
  const details = { operator: place.operator, ...(isTidemarkError(error) ? error.details : {}) }
  if (isTidemarkError(error) && FATAL.has(error.code)) {
    return new TidemarkError(`${error.message} (${described(place)})`, { ...where, code: error.code, blame: error.blame, action: 'fail-job', cause: error, details, ...(error.hint === undefined ? {} : { hint: error.hint }) })
  }
  return new TidemarkError(`${described(place)}: ${messageOf(error)}`, {
    ...where, code: 'TASK_USER_ERROR', blame: 'user', action: 'fail-job', cause: error, details,
    hint: 'The job\'s onError is "fail". Correct the code or the record, or choose "dead-letter" or "skip".',
  })
}
