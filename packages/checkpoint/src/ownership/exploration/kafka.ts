// One journal partition with Kafka's transactions, as measured on 4.1: a transactional id has an epoch; initialising it adds one, aborts
// what is open, and is the only fence there is. Whoever initialised last holds the live session, zombie or not.
import type { TransactionalId } from '@tidemark/base'
import type { JournalRecord } from '../../records/records.ts'

export interface Entry {
  readonly record: JournalRecord
  status: 'open' | 'committed' | 'aborted'
}

export class KafkaPartition {
  readonly entries: Entry[] = []
  readonly #epochs = new Map<TransactionalId, number>()
  /** Records below are deleted. */
  start = 0

  /** InitProducerId, by the owner or as a fence. */
  initialise(id: TransactionalId): number {
    for (const entry of this.entries) if (entry.record.transactionalId === id && entry.status === 'open') entry.status = 'aborted'
    const epoch = (this.#epochs.get(id) ?? 0) + 1
    this.#epochs.set(id, epoch)
    return epoch
  }

  isLive(id: TransactionalId, epoch: number): boolean {
    return this.#epochs.get(id) === epoch
  }

  /** Undefined: fenced. */
  append(record: JournalRecord, epoch: number): number | undefined {
    if (!this.isLive(record.transactionalId, epoch)) return undefined
    this.entries.push({ record, status: 'open' })
    return this.entries.length - 1
  }

  /** False: fenced. */
  commit(offset: number, epoch: number): boolean {
    const entry = this.entries[offset]
    if (entry === undefined || entry.status !== 'open' || !this.isLive(entry.record.transactionalId, epoch)) return false
    entry.status = 'committed'
    return true
  }

  get stable(): number {
    const open = this.entries.findIndex((entry) => entry.status === 'open')
    return open < 0 ? this.entries.length : open
  }

  committed(from: number, to: number): { readonly record: JournalRecord, readonly offset: number }[] {
    return this.entries.slice(from, to).flatMap((entry, i) => (entry.status === 'committed' ? [{ record: entry.record, offset: from + i }] : []))
  }

  get ids(): TransactionalId[] {
    return [...this.#epochs.keys()]
  }
}
