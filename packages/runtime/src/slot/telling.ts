// Tells of the slot's tasks in passing: how each is doing, a few times a second; and where their sources stand, to the group that lag tools read.
import { asTidemarkError } from '@tidemark/base'
import type { JobId } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { HeldTask } from './held-task.ts'
import type { SlotPorts } from './ports.ts'
import { statusOf } from './status.ts'

const STATUS_INTERVAL_MS = 200
const MIRROR_INTERVAL_MS = 1_000

export class Telling {
  readonly #ports: Pick<SlotPorts, 'clock' | 'emit' | 'log' | 'logger'>
  readonly #job: JobId
  readonly #held: () => Iterable<HeldTask>
  readonly #running: () => readonly HeldTask[]
  #statusAt = 0
  #mirroredAt = 0

  constructor(ports: Pick<SlotPorts, 'clock' | 'emit' | 'log' | 'logger'>, job: JobId, held: () => Iterable<HeldTask>, running: () => readonly HeldTask[]) {
    this.#ports = ports
    this.#job = job
    this.#held = held
    this.#running = running
  }

  /** Says what is due. Also called while the log is waited for: a status is a sign that the slot is at work. */
  step(): void {
    const at = this.#ports.clock.monotonic()
    if (at - this.#statusAt >= STATUS_INTERVAL_MS) {
      this.#statusAt = at
      this.#ports.emit({ kind: 'status', tasks: [...this.#held()].map(statusOf) })
    }
    if (at - this.#mirroredAt >= MIRROR_INTERVAL_MS) {
      this.#mirroredAt = at
      this.#mirror()
    }
  }

  #mirror(): void {
    const positions = this.#running().flatMap((held) => held.task.content().positions.filter((one) => held.task.inputs().some((input) => input.input === one.input && input.kind === 'topic')))
    if (positions.length === 0) return
    const group = paths.mirrorGroup(this.#job)
    void this.#ports.log.mirrorPositions(group, positions.map(({ topic, partition, next }) => ({ topic, partition, nextOffset: next })))
      .then((offsets) => {
        if (offsets.length > 0) this.#ports.emit({ kind: 'group-edited', job: this.#job, group, offsets })
      })
      .catch((error: unknown) => this.#ports.logger.warn({ error: asTidemarkError(error) }, 'mirror.failed'))
  }
}
