// A producer session of the memory log: one call at a time, and none after a rejection.
import type { Append, Appended, ProducerSession, TransactionalId } from '@tidemark/base'
import type { Intercept } from '../intercept.ts'
import type { MemoryBroker } from './broker.ts'
import { closed, sessionMisused } from './errors.ts'

export class MemorySession implements ProducerSession {
  readonly transactionalId: TransactionalId
  readonly #broker: MemoryBroker
  readonly #intercept: Intercept
  readonly #onClose: (session: MemorySession) => void
  #epoch: number | undefined
  #appended: Appended[] = []
  #dead: unknown
  #busy = false

  constructor(broker: MemoryBroker, intercept: Intercept, id: TransactionalId, onClose: (session: MemorySession) => void) {
    this.transactionalId = id
    this.#broker = broker
    this.#intercept = intercept
    this.#onClose = onClose
  }

  initialise(): Promise<void> {
    return this.#only(async () => {
      if (this.#epoch !== undefined) throw sessionMisused(`transactional id "${this.transactionalId}" is initialised already`)
      this.#epoch = await this.#call('initialise', () => this.#broker.initialise(this.transactionalId))
    })
  }

  append(writes: readonly Append[]): Promise<void> {
    return this.#only(async () => {
      const epoch = this.#initialised()
      if (writes.length === 0) return
      this.#appended.push(...await this.#call('append', () => this.#broker.append(this.transactionalId, epoch, writes)))
    })
  }

  commit(): Promise<Appended[]> {
    return this.#only(async () => {
      const epoch = this.#initialised()
      if (this.#appended.length === 0) return []
      await this.#call('commit', () => this.#broker.commit(this.transactionalId, epoch))
      return this.#appended.splice(0)
    })
  }

  async close(): Promise<void> {
    this.#dead ??= closed(`session "${this.transactionalId}"`)
    this.#onClose(this)
  }

  #call<T>(method: string, run: () => T): Promise<T> {
    return this.#intercept({ call: `log.${method}`, of: this.transactionalId }, async () => run())
  }

  #initialised(): number {
    if (this.#epoch === undefined) throw sessionMisused(`session "${this.transactionalId}" is not initialised`)
    return this.#epoch
  }

  async #only<T>(call: () => Promise<T>): Promise<T> {
    if (this.#dead !== undefined) throw closed(`session "${this.transactionalId}"`, this.#dead)
    if (this.#busy) throw sessionMisused(`session "${this.transactionalId}" is used by two callers at once`)
    this.#busy = true
    try {
      return await call()
    } catch (error) {
      this.#dead = error
      throw error
    } finally {
      this.#busy = false
    }
  }
}
