// A task's outbox: entries live in a state table; an acknowledgement becomes part of the next batch, and outlives a batch that is taken back.
import type { OutboxTable } from '../state/outbox-table.ts'
import type { Outputs } from './outputs.ts'
import type { OutboxEntry } from './task.ts'

const keyOf = (sink: string, batchId: number): string => `${batchId} ${sink}`

export class Outbox {
  readonly #table: OutboxTable
  /** Delivered, and not yet recorded as such. */
  readonly #acknowledged = new Map<string, { readonly sink: string, readonly batchId: number }>()

  constructor(table: OutboxTable) {
    this.#table = table
  }

  get bytes(): number {
    return this.#table.bytes
  }

  get size(): { readonly entries: number, readonly bytes: number } {
    return { entries: this.#table.keyCount, bytes: this.#table.bytes }
  }

  get owes(): boolean {
    return this.#acknowledged.size > 0
  }

  acknowledge(sink: string, batchId: number): void {
    if (this.#table.has(sink, batchId)) this.#acknowledged.set(keyOf(sink, batchId), { sink, batchId })
  }

  /** Puts the batch's new entries into the state, and takes out what was delivered. Answers the new ones. */
  freeze(batchId: number, outputs: Outputs): OutboxEntry[] {
    for (const { sink, batchId: delivered } of this.#acknowledged.values()) this.#table.remove(sink, delivered)
    const entries = outputs.outboxRecords().map(({ sink, records }): OutboxEntry => ({ sink, batchId, records }))
    for (const entry of entries) this.#table.add(entry)
    return entries
  }

  /** What is in no sink yet, up to the batch that committed last. */
  undelivered(committed: number): OutboxEntry[] {
    return this.#table.list().filter((entry) => entry.batchId <= committed && !this.#acknowledged.has(keyOf(entry.sink, entry.batchId)))
  }

  /** Acknowledgements that the state shows are recorded. */
  settle(): void {
    for (const [key, { sink, batchId }] of this.#acknowledged) if (!this.#table.has(sink, batchId)) this.#acknowledged.delete(key)
  }
}
