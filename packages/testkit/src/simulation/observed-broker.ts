// The memory log's broker, with somebody who is told what became real and what went away.
import type { Append, Appended, TransactionalId } from '@tidemark/base'
import { MemoryBroker } from '../memory/log/broker.ts'

export interface CommittedWrite extends Append {
  readonly baseOffset: number
}

export interface BrokerObserver {
  appended(id: TransactionalId): void
  written(writes: readonly CommittedWrite[]): void
  committed(id: TransactionalId, writes: readonly CommittedWrite[]): void
  /** Initialised or fenced; `aborted`: it had a transaction open. */
  initialised(id: TransactionalId, aborted: boolean): void
  trimmed(topic: string, partition: number, before: number): void
  deleted(topic: string): void
}

export class ObservedBroker extends MemoryBroker {
  observer: BrokerObserver | undefined
  readonly #open = new Map<TransactionalId, CommittedWrite[]>()

  override append(id: TransactionalId, epoch: number, writes: readonly Append[]): Appended[] {
    const appended = super.append(id, epoch, writes)
    this.observer?.appended(id)
    const open = this.#open.get(id) ?? []
    this.#open.set(id, open)
    for (const [i, write] of writes.entries()) open.push({ ...write, baseOffset: appended[i]?.baseOffset ?? -1 })
    return appended
  }

  override write(writes: readonly Append[]): Appended[] {
    const appended = super.write(writes)
    this.observer?.written(writes.map((write, i) => ({ ...write, baseOffset: appended[i]?.baseOffset ?? -1 })))
    return appended
  }

  override commit(id: TransactionalId, epoch: number): void {
    super.commit(id, epoch)
    const writes = this.#open.get(id) ?? []
    this.#open.delete(id)
    this.observer?.committed(id, writes)
  }

  override initialise(id: TransactionalId): number {
    const epoch = super.initialise(id)
    this.observer?.initialised(id, this.#open.delete(id))
    return epoch
  }

  override trim(topic: string, partition: number, before: number): void {
    super.trim(topic, partition, before)
    this.observer?.trimmed(topic, partition, before)
  }

  override deleteTopic(topic: string): void {
    super.deleteTopic(topic)
    this.observer?.deleted(topic)
  }
}
