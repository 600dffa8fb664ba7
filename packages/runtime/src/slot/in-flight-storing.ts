// Orders to store what is in flight before the tasks of a slot: one is carried out after the other, so that no more memory is needed than for one; of
// each task only the order that was told last counts.
import { isDeepStrictEqual } from 'node:util'
import { asTidemarkError, taskKey } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import type { HeldTask } from './held-task.ts'
import { storeInFlight } from './in-flight.ts'
import { Lock } from './lock.ts'
import type { SlotCommand } from './messages.ts'
import type { SlotPorts } from './ports.ts'
import type { Readers } from './readers.ts'

type Order = SlotCommand & { readonly kind: 'snapshot-in-flight' }

interface UnderWay {
  readonly held: HeldTask
  readonly order: Order
}

export class InFlightStoring {
  readonly #ports: SlotPorts
  readonly #readers: Readers
  readonly #heldOf: (task: TaskRef) => HeldTask | undefined
  readonly #lock = new Lock()
  readonly #underWay = new Map<string, UnderWay>()

  constructor(ports: SlotPorts, readers: Readers, heldOf: (task: TaskRef) => HeldTask | undefined) {
    this.#ports = ports
    this.#readers = readers
    this.#heldOf = heldOf
  }

  /** Each is answered, but for one that another replaced meanwhile, or whose task was let go; the same again has the one answer of both. */
  async store(order: Order): Promise<void> {
    const { task, checkpoint } = order
    const held = this.#heldOf(task)
    if (held === undefined) return this.#failed(order, `${taskKey(task)} is not held by this slot`)
    const { key } = held
    const before = this.#underWay.get(key)
    if (before?.held === held && isDeepStrictEqual(before.order, order)) return undefined
    const mine = { held, order }
    this.#underWay.set(key, mine)
    const wanted = (): boolean => this.#underWay.get(key) === mine && this.#heldOf(task) === held
    try {
      const stored = await this.#lock.run(() => this.#readers.borrow((reader) => storeInFlight(this.#ports, reader, held, order, wanted)))
      if (wanted()) this.#ports.emit({ kind: 'in-flight-stored', task, checkpoint, ...stored })
    } catch (error) {
      if (wanted()) this.#failed(order, asTidemarkError(error).message)
    } finally {
      if (this.#underWay.get(key) === mine) this.#underWay.delete(key)
    }
  }

  #failed({ task, checkpoint }: Order, reason: string): void {
    this.#ports.emit({ kind: 'snapshot-failed', task, checkpoint, reason })
  }
}
