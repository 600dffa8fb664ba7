// How a task leaves its slot: handed over to another owner, stopped with its run, or failed. Everything here runs under the slot's lock.
import type { TidemarkError } from '@tidemark/base'
import type { HeldTask } from './held-task.ts'
import type { Outbox } from './outbox.ts'
import type { SlotPorts } from './ports.ts'
import type { Recovery } from './recovery.ts'
import type { Snapshots } from './snapshots.ts'

export interface LeavingSlot {
  /** By key; who leaves is taken out. */
  readonly held: Map<string, HeldTask>
  readonly snapshots: Snapshots
  readonly outbox: Outbox
  readonly recovery: Recovery
  /** What is open, of all tasks. */
  readonly commit: () => Promise<void>
}

export class Leaving {
  readonly #ports: Pick<SlotPorts, 'emit' | 'faults' | 'logger'>
  readonly #slot: LeavingSlot

  constructor(ports: Pick<SlotPorts, 'emit' | 'faults' | 'logger'>, slot: LeavingSlot) {
    this.#ports = ports
    this.#slot = slot
  }

  /** R7: commit what is open, then a release record; acknowledged, the driver may give the task to another. */
  async handOver(held: HeldTask): Promise<void> {
    if (held.phase === 'running' || held.phase === 'waiting') {
      await this.#slot.commit()
      if (!this.#holds(held)) return
    }
    if (held.claimed) {
      this.#ports.faults.reach('release.before')
      await this.#slot.recovery.release(held)
      this.#ports.faults.reach('release.committed')
    }
    this.forget(held)
    this.#ports.emit({ kind: 'released', task: held.ref, generation: held.generation })
  }

  /** What is not committed is dropped: the run ends. */
  async stop(held: HeldTask): Promise<void> {
    held.task.undo()
    if (held.claimed) await this.#slot.recovery.release(held)
    this.forget(held)
    this.#ports.emit({ kind: 'released', task: held.ref, generation: held.generation })
  }

  /** The task can't go on: its part of the open batch is taken back, the others are not touched. */
  async fail(held: HeldTask, error: TidemarkError): Promise<void> {
    if (!this.#holds(held)) return
    this.#ports.logger.error({ task: held.key, error }, 'task.failed')
    held.task.undo()
    if (held.claimed) await this.#slot.recovery.release(held)
    this.forget(held)
    this.#ports.emit({ kind: 'failed', task: held.ref, generation: held.generation, error })
  }

  forget(held: HeldTask): void {
    this.#slot.snapshots.lost(held, 'the task was let go')
    this.#slot.outbox.forget(held)
    if (this.#holds(held)) this.#slot.held.delete(held.key)
  }

  #holds(held: HeldTask): boolean {
    return this.#slot.held.get(held.key) === held
  }
}
