// A task's outbox: entries live in a state table; an acknowledgement becomes part of the next batch, and outlives a batch that is taken back.
import type { OwedToSink } from '@tidemark/checkpoint'
import { entryName } from '../state/outbox-table.ts'
import type { EntryName, OutboxTable } from '../state/outbox-table.ts'
import type { Outputs } from './outputs.ts'
import type { OutboxEntry } from './task.ts'

export class Outbox {
  readonly #table: OutboxTable
  readonly #run: number
  /** Delivered, and not yet recorded as such. */
  readonly #acknowledged = new Map<string, EntryName>()

  /** `run`: the task's. */
  constructor(table: OutboxTable, run: number) {
    this.#table = table
    this.#run = run
  }

  get bytes(): number {
    return this.#table.bytes
  }

  get size(): { readonly entries: number, readonly bytes: number } {
    return { entries: this.#table.keyCount, bytes: this.#table.bytes }
  }

  get bySink(): OwedToSink[] {
    return [...Map.groupBy(this.#table.list(), ({ sink }) => sink)].map(([sink, entries]) => ({ sink, entries: entries.length }))
  }

  get owes(): boolean {
    return this.#acknowledged.size > 0
  }

  acknowledge({ sink, run, batchId }: EntryName): void {
    const name = { sink, run, batchId }
    if (this.#table.has(name)) this.#acknowledged.set(entryName(name), name)
  }

  /** Puts the batch's new entries into the state, and takes out what was delivered. Answers the new ones. */
  freeze(batchId: number, outputs: Outputs): OutboxEntry[] {
    for (const name of this.#acknowledged.values()) this.#table.remove(name)
    const entries = outputs.outboxRecords().map(({ sink, records }): OutboxEntry => ({ sink, run: this.#run, batchId, records }))
    for (const entry of entries) this.#table.add(entry)
    return entries
  }

  /** What is in no sink yet, up to the batch that committed last, and with what a run before left. */
  undelivered(committed: number): OutboxEntry[] {
    return this.#table.list().filter((entry) => (entry.run !== this.#run || entry.batchId <= committed) && !this.#acknowledged.has(entryName(entry)))
  }

  /** Acknowledgements that the state shows are recorded. */
  settle(): void {
    for (const [key, name] of this.#acknowledged) if (!this.#table.has(name)) this.#acknowledged.delete(key)
  }
}
