// The slot's producer sessions: one transaction at a time, one id after another. Any failure ends the id (design §3, Commit).
import { isTidemarkError, TidemarkError, transactionalId } from '@tidemark/base'
import type { Append, Appended, Clock, Log, Logger, ProducerSession, TransactionalId } from '@tidemark/base'

/** New ids without a pause; after them one every `NEW_ID_PAUSE_MS` (three a minute): each lives for days in the coordinator. */
const NEW_IDS_AT_ONCE = 5
const NEW_ID_PAUSE_MS = 20_000
/** Pauses between tries to reach the log, ms. */
const RETRY_FIRST_MS = 20
const RETRY_MAX_MS = 1_000
const WAITING_WORD_MS = 1_000

/** Asking again brings nothing: this client has no right to the id. */
const isRefusal = (error: unknown): boolean => isTidemarkError(error) && error.action === 'fail-job'

/** The session died in this transaction; whether it committed is for the journal to say. */
export class SessionLost extends Error {
  override readonly name = 'SessionLost'
  override readonly cause: unknown
  constructor(cause: unknown) {
    super('the producer session was lost', { cause })
    this.cause = cause
  }
}

export class Transactions {
  readonly #log: Log
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #idPrefix: string
  readonly #alive: () => boolean
  readonly #waiting: () => void
  #counter = 0
  #session: ProducerSession | undefined
  #lastId: TransactionalId | undefined
  #dead = false
  #madeAt: number[] = []

  /** `waiting` is called at least every `WAITING_WORD_MS` while nothing but the log's answer or a new id is waited for, and between tries. */
  constructor(options: { readonly log: Log, readonly clock: Clock, readonly logger: Logger, readonly idPrefix: string, readonly alive: () => boolean, readonly waiting: () => void }) {
    this.#log = options.log
    this.#clock = options.clock
    this.#logger = options.logger
    this.#idPrefix = options.idPrefix
    this.#alive = options.alive
    this.#waiting = options.waiting
  }

  /** Id of the present session; undefined before the first and while one is being replaced. */
  get id(): TransactionalId | undefined {
    return this.#dead ? undefined : this.#session?.transactionalId
  }

  /** The present session's, or the last one's while it is being replaced. */
  get lastId(): TransactionalId | undefined {
    return this.#lastId
  }

  get lost(): boolean {
    return this.#dead
  }

  /**
   * One transaction. `appended` is called while it is open (on a log that has such a thing). Rejects with SessionLost after which
   * nothing works until `renew`.
   */
  async run(writes: readonly Append[], appended: () => void): Promise<Appended[]> {
    const session = this.#session
    if (session === undefined || this.#dead) throw new SessionLost(new Error('no session'))
    if (!this.#alive()) throw new TidemarkError('the executor of this slot is gone', { code: 'SLOT_ORPHANED', blame: 'environment', action: 'exit' })
    try {
      await session.append(writes)
      appended()
      return await session.commit()
    } catch (error) {
      this.#dead = true
      this.#logger.warn({ transactionalId: session.transactionalId, error }, 'session.lost')
      throw new SessionLost(error)
    }
  }

  /**
   * Fences the own old id and waits for the answer (a request still under way could land in a later transaction), then initialises a new
   * one. Tries until the log answers: nothing can be committed meanwhile anyway. Rejects when the answer is a refusal that stops a job; it may
   * be called again.
   */
  async renew(): Promise<TransactionalId> {
    const old = this.#session
    if (old !== undefined) {
      await this.#untilReached('fence', () => this.#log.fence(old.transactionalId))
      await old.close()
      this.#session = undefined
    }
    for (;;) {
      await this.#backOff()
      const session = this.#log.session(transactionalId(`${this.#idPrefix}.${this.#counter}`))
      this.#counter += 1
      try {
        await session.initialise()
        this.#session = session
        this.#lastId = session.transactionalId
        this.#dead = false
        return session.transactionalId
      } catch (error) {
        // R5: an id whose initialisation failed is not initialised again. Nothing was appended under it.
        this.#logger.warn({ transactionalId: session.transactionalId, error }, 'session.initialise-failed')
        await session.close()
        if (isRefusal(error)) {
          // Nothing of it is in the coordinator.
          this.#madeAt.pop()
          throw error
        }
        this.#waiting()
        await this.#clock.sleep(RETRY_FIRST_MS * 5)
      }
    }
  }

  async close(): Promise<void> {
    await this.#session?.close()
    this.#session = undefined
  }

  async #untilReached(what: string, attempt: () => Promise<void>): Promise<void> {
    for (let pauseMs = RETRY_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)) {
      try {
        await attempt()
        return
      } catch (error) {
        if (isRefusal(error)) throw error
        this.#logger.warn({ what, error }, 'session.log-not-reached')
        this.#waiting()
        await this.#clock.sleep(pauseMs)
      }
    }
  }

  async #backOff(): Promise<void> {
    const now = this.#clock.monotonic()
    this.#madeAt = this.#madeAt.filter((at) => now - at < NEW_ID_PAUSE_MS * NEW_IDS_AT_ONCE)
    if (this.#madeAt.length >= NEW_IDS_AT_ONCE) {
      this.#logger.error({ made: this.#madeAt.length }, 'session.too-many-new-ids')
      for (let leftMs = NEW_ID_PAUSE_MS; leftMs > 0; leftMs -= WAITING_WORD_MS) {
        this.#waiting()
        await this.#clock.sleep(WAITING_WORD_MS)
      }
    }
    this.#madeAt.push(this.#clock.monotonic())
  }
}
