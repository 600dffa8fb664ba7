// Who leads: a lease that is renewed at a third of its time and asked after at a tenth while another has it, and an epoch that is recorded in the object store too, so that a lease store
// that lost its data cannot give one twice.
import { asTidemarkError, TidemarkError } from '@tidemark/base'
import type { Clock, HeldLease, Lease, Logger, ObjectStore, Timer } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'

export interface ElectionOptions {
  readonly lease: Lease
  readonly store: ObjectStore
  readonly clock: Clock
  readonly logger: Logger
  /** What others are told: where this driver answers. */
  readonly address: string
  readonly driver: string
  readonly leaseMs: number
  /** Never rejects; it leads until `onLost`. */
  readonly onLead: (epoch: number) => void
  readonly onLost: (reason: string) => void
}

/** Epochs that are taken already are passed over; more than this in a row is no accident. */
const EPOCH_TRIES_MAX = 100
const RENEWALS_PER_LEASE = 3
/** While another holds it. It ends when it was last renewed plus its time, whenever we ask: the pause between two questions is added to that. */
const QUESTIONS_PER_LEASE = 10

export class Election {
  readonly #options: ElectionOptions
  #held: HeldLease | undefined
  #renewedAt = 0
  #timer: Timer | undefined
  #stopped = false

  constructor(options: ElectionOptions) {
    this.#options = options
  }

  start(): void {
    void this.#try()
  }

  /** Steps down and lets others lead at once. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    const held = this.#held
    this.#held = undefined
    await held?.release()
  }

  /** Another leads, by a higher epoch: this lease is worth nothing. */
  async stepDown(reason: string): Promise<void> {
    const held = this.#held
    if (held === undefined) return
    this.#lose(reason)
    await held.release().catch((error: unknown) => this.#options.logger.warn({ error: asTidemarkError(error) }, 'lease.release-failed'))
  }

  /** Address of whoever leads, where it can be known. */
  async leader(): Promise<string | undefined> {
    if (this.#held !== undefined) return this.#options.address
    try {
      const holder = await this.#options.lease.holder()
      return holder === this.#options.address ? undefined : holder
    } catch {
      return undefined
    }
  }

  #again(): void {
    this.#after(RENEWALS_PER_LEASE, () => void (this.#held === undefined ? this.#try() : this.#renew()))
  }

  #after(partOfLease: number, next: () => void): void {
    if (this.#stopped) return
    this.#timer = this.#options.clock.after(this.#options.leaseMs / partOfLease, next)
  }

  async #try(): Promise<void> {
    const { clock, logger, onLead } = this.#options
    try {
      const began = clock.monotonic()
      const held = await this.#acquire()
      if (held === undefined) return this.#wait()
      if (this.#stopped) return await held.release()
      this.#held = held
      this.#renewedAt = began
      onLead(held.epoch)
    } catch (error) {
      logger.warn({ error: asTidemarkError(error) }, 'lease.acquire-failed')
    }
    this.#again()
  }

  #wait(): void {
    this.#after(QUESTIONS_PER_LEASE, () => void this.#look())
  }

  /** Costs one question to the lease, none to the object store. */
  async #look(): Promise<void> {
    try {
      if (await this.#options.lease.holder() === undefined) await this.#try()
      else this.#wait()
    } catch (error) {
      this.#options.logger.warn({ error: asTidemarkError(error) }, 'lease.acquire-failed')
      this.#again()
    }
  }

  /** Undefined: another holds it. The epoch is ours alone once its record is created. */
  async #acquire(): Promise<HeldLease | undefined> {
    const { address, clock, driver, lease, leaseMs, store } = this.#options
    let least = Math.max(0, ...(await store.list(paths.driverEpochPrefix)).flatMap(({ key }) => paths.parseDriverEpoch(key) ?? []))
    for (let i = 0; i < EPOCH_TRIES_MAX; i++) {
      const held = await lease.acquire(address, leaseMs, least)
      if (held === undefined) return undefined
      const record = Buffer.from(`${JSON.stringify({ epoch: held.epoch, driver, address, at: clock.now() })}\n`)
      if (await store.putIfAbsent(paths.driverEpoch(held.epoch), record) === 'created') return held
      least = held.epoch
      await held.release()
    }
    throw new TidemarkError(`${EPOCH_TRIES_MAX} epochs in a row are taken already`, { code: 'LEASE_EPOCHS_TAKEN', blame: 'environment', action: 'retry', hint: 'Lease and object store do not belong together: look at TIDEMARK_REDIS and TIDEMARK_S3_BUCKET.' })
  }

  async #renew(): Promise<void> {
    const { clock, leaseMs, logger } = this.#options
    const held = this.#held
    const began = clock.monotonic()
    try {
      const kept = await held?.renew()
      if (held !== this.#held) return this.#again()
      if (kept) this.#renewedAt = began
      else this.#lose('the lease is lost')
    } catch (error) {
      logger.warn({ error: asTidemarkError(error) }, 'lease.renew-failed')
    }
    if (this.#held !== undefined && clock.monotonic() - this.#renewedAt >= leaseMs) this.#lose(`the lease could not be renewed for ${leaseMs} ms`)
    this.#again()
  }

  #lose(reason: string): void {
    this.#held = undefined
    this.#options.onLost(reason)
  }
}
