// The Lease port in memory: contenders that share one state.
import { TidemarkError } from '@tidemark/base'
import type { Clock, HeldLease, Lease } from '@tidemark/base'
import { passThrough } from './intercept.ts'
import type { Intercept } from './intercept.ts'

/** Shared by the contenders; what a lease server would remember. */
export interface MemoryLeaseState {
  epoch: number
  held: { readonly epoch: number, readonly holder: string, /** Monotonic. */ until: number } | undefined
}

export const emptyLeaseState = (): MemoryLeaseState => ({ epoch: 0, held: undefined })

export interface MemoryLeaseOptions {
  readonly name: string
  readonly clock: Clock
  readonly state: MemoryLeaseState
  readonly intercept?: Intercept
}

export class MemoryLease implements Lease {
  readonly name: string
  readonly #clock: Clock
  readonly #state: MemoryLeaseState
  readonly #intercept: Intercept
  #closed = false

  constructor({ name, clock, state, intercept = passThrough }: MemoryLeaseOptions) {
    this.name = name
    this.#clock = clock
    this.#state = state
    this.#intercept = intercept
  }

  acquire(holder: string, ttlMs: number, epochAtLeast: number): Promise<HeldLease | undefined> {
    return this.#call('acquire', () => {
      if (this.#present()) return undefined
      const epoch = Math.max(this.#state.epoch, epochAtLeast) + 1
      this.#state.epoch = epoch
      this.#state.held = { epoch, holder, until: this.#clock.monotonic() + ttlMs }
      return this.#hold(epoch, ttlMs)
    })
  }

  holder(): Promise<string | undefined> {
    return this.#call('holder', () => this.#present()?.holder)
  }

  /** Releases nothing: a holder that goes without `release` is only missed when its time is over. */
  async close(): Promise<void> {
    this.#closed = true
  }

  #hold(epoch: number, ttlMs: number): HeldLease {
    let lost = false
    const mine = (): MemoryLeaseState['held'] => {
      const held = this.#present()
      return held?.epoch === epoch ? held : undefined
    }
    return {
      epoch,
      renew: () => this.#call('renew', () => {
        const held = lost ? undefined : mine()
        if (held) held.until = this.#clock.monotonic() + ttlMs
        else lost = true
        return !lost
      }),
      release: () => this.#call('release', () => {
        lost = true
        if (mine()) this.#state.held = undefined
      }),
    }
  }

  #present(): MemoryLeaseState['held'] {
    const { held } = this.#state
    return held && this.#clock.monotonic() < held.until ? held : undefined
  }

  async #call<T>(method: string, run: () => T): Promise<T> {
    if (this.#closed) throw new TidemarkError(`lease ${this.name} is closed`, { code: 'LEASE_CLOSED', blame: 'bug', action: 'exit' })
    return this.#intercept({ call: `lease.${method}`, of: this.name }, async () => run())
  }
}
