// The Lease port: who leads. Adapters: lease-redis, the local lease of log-local, memory (testkit).

export interface HeldLease {
  /** Grows with every acquisition of this name; the caller records it in the object store too, so that a lease store that lost its data can't give it twice. */
  readonly epoch: number
  /** False: it is lost (another holds it, or its time ran out). Throws `LEASE_UNAVAILABLE` when the store can't be asked. */
  renew(): Promise<boolean>
  /** Idempotent; never takes another's lease away. */
  release(): Promise<void>
}

export interface Lease {
  readonly name: string
  /**
   * Tries once. `holder` is what others read (the leader's address). `epochAtLeast`: the new epoch is greater than this.
   * Undefined: somebody else holds it.
   */
  acquire(holder: string, ttlMs: number, epochAtLeast: number): Promise<HeldLease | undefined>
  /** The present holder's text, if there is one. */
  holder(): Promise<string | undefined>
  close(): Promise<void>
}
