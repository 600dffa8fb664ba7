// Delivers outbox entries after their batch has committed, in order for each task and sink, and acknowledges them to the task: an entry
// leaves the journal only after its sink has it (invariant 5). Nothing in the commit path waits for a sink (invariant 6).
import { asTidemarkError } from '@tidemark/base'
import type { OutboxEntry } from '../task/task.ts'
import type { HeldTask } from './held-task.ts'
import type { SlotPorts } from './ports.ts'

const RETRY_FIRST_MS = 50
const RETRY_MAX_MS = 5_000

interface Queue {
  entries: OutboxEntry[]
  busy: boolean
  /** Its sink has been given an entry and has not answered. */
  asked: boolean
  /** The last one taken in. */
  newest: Pick<OutboxEntry, 'run' | 'batchId'>
}

const prefixOf = ({ key, generation: { epoch, counter } }: HeldTask): string => `${key} ${epoch}.${counter} `

const isAfter = (a: Queue['newest'], b: Queue['newest']): boolean => a.run > b.run || (a.run === b.run && a.batchId > b.batchId)

export class Outbox {
  readonly #ports: SlotPorts
  readonly #holds: (held: HeldTask) => boolean
  readonly #wake: () => void
  /** Per task and sink: batches queued or under way, so that none is delivered twice at once. */
  readonly #queues = new Map<string, Queue>()
  /** What sinks have and the task does not know yet: told between two batches, never while a transaction is under way. */
  #acknowledgements: { readonly held: HeldTask, readonly entry: OutboxEntry }[] = []

  /** `wake` is called when a task has something new to record, or failed. */
  constructor(ports: SlotPorts, holds: (held: HeldTask) => boolean, wake: () => void) {
    this.#ports = ports
    this.#holds = holds
    this.#wake = wake
  }

  /** Entries of a committed batch; after a takeover or an undone batch, all undelivered ones: those already delivered are acknowledged again. */
  deliver(held: HeldTask, entries: readonly OutboxEntry[]): void {
    for (const entry of entries) {
      const key = `${prefixOf(held)}${entry.sink}`
      const queue = this.#queues.get(key) ?? { entries: [], busy: false, asked: false, newest: { run: 0, batchId: 0 } }
      this.#queues.set(key, queue)
      if (!isAfter(entry, queue.newest)) {
        if (!queue.entries.some((queued) => queued.run === entry.run && queued.batchId === entry.batchId)) this.#acknowledge(held, entry)
        continue
      }
      queue.newest = entry
      queue.entries.push(entry)
      if (!queue.busy) void this.#drain(held, queue)
    }
  }

  /** A task that delivered nothing goes on with what is queued. */
  resume(held: HeldTask): void {
    for (const queue of this.#queuesOf(held)) if (!queue.busy) void this.#drain(held, queue)
  }

  /**
   * Whether the last checkpoint of a run may have its cut in this task: what a sink is given behind it, the next run would give it again. Not before
   * it stands: no checkpoint is complete with such a part, and for as long as a sink holds that up each try would upload all state for nothing.
   */
  mayCut(held: HeldTask): boolean {
    if (!held.drain.stands) return !held.drain.still
    if (held.task.content().outbox.entries === 0 || held.drain.deliveryOver) return true
    return !held.drain.delivers && !held.task.dirty && !this.#queuesOf(held).some(({ asked }) => asked) && !this.#acknowledgements.some((one) => one.held === held)
  }

  #queuesOf(held: HeldTask): Queue[] {
    return [...this.#queues].flatMap(([key, queue]) => (key.startsWith(prefixOf(held)) ? queue : []))
  }

  /** Tells the tasks what their sinks have. Only while no batch is in flight. */
  settle(): void {
    const acknowledgements = this.#acknowledgements
    this.#acknowledgements = []
    for (const { held, entry } of acknowledgements) if (this.#holds(held)) held.task.acknowledge(entry)
    if (acknowledgements.length > 0) this.#ports.faults.reach('commit.outbox-acknowledged')
  }

  #acknowledge(held: HeldTask, entry: OutboxEntry): void {
    this.#acknowledgements.push({ held, entry })
    this.#wake()
  }

  forget(held: HeldTask): void {
    for (const key of this.#queues.keys()) if (key.startsWith(`${held.key} `)) this.#queues.delete(key)
  }

  async #drain(held: HeldTask, queue: Queue): Promise<void> {
    queue.busy = true
    let pauseMs = RETRY_FIRST_MS
    for (let entry = queue.entries[0]; entry !== undefined && this.#holds(held) && held.drain.delivers; entry = queue.entries[0]) {
      queue.asked = true
      try {
        await this.#ports.sink(entry.sink).deliver({ task: { ...held.ref, run: entry.run }, sink: entry.sink, batchId: entry.batchId, records: entry.records })
        queue.asked = false
        this.#ports.faults.reach('commit.outbox-delivered')
        queue.entries.shift()
        pauseMs = RETRY_FIRST_MS
        this.#acknowledge(held, entry)
      } catch (error) {
        queue.asked = false
        const known = asTidemarkError(error)
        if (known.action !== 'retry') {
          held.failure = known
          this.#wake()
          break
        }
        held.waitingFor = `sink ${entry.sink}`
        this.#ports.logger.warn({ task: held.key, sink: entry.sink, batchId: entry.batchId, error: known }, 'outbox.sink-not-reached')
        await this.#ports.clock.sleep(pauseMs)
        pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)
      }
    }
    if (held.waitingFor?.startsWith('sink ')) held.waitingFor = undefined
    queue.busy = false
  }
}
