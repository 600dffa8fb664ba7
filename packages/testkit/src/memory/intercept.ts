// The seam where a test puts faults between a memory port and the one who calls it.

export interface Operation {
  /** `log.append`, `store.put`, `lease.renew`: port and method. */
  readonly call: string
  /** What it is about: a transactional id, topics, an object's key, a lease's name. */
  readonly of: string
}

/**
 * Called instead of the operation; `run` does it. Not calling `run` and rejecting: failed before. Calling it and rejecting then: the
 * answer was lost. Calling it later: a slow network; rejecting first and calling it afterwards: a request that arrives late.
 */
export type Intercept = <T>(operation: Operation, run: () => Promise<T>) => Promise<T>

export const passThrough: Intercept = (_operation, run) => run()
