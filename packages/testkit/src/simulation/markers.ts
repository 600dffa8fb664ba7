// A sink that keeps a marker (run, batch) beside what it was given, as a database does in one transaction.
import type { OutboxDelivery } from '@tidemark/base'

export interface Applied {
  readonly run: number
  readonly stage: string
  readonly partition: number
  readonly batchId: number
  readonly value: unknown
}

export class Markers {
  readonly applied: Applied[] = []
  readonly #markers = new Map<string, { readonly run: number, readonly batchId: number }>()

  deliver(sink: string, { task, batchId, records }: OutboxDelivery): void {
    const key = `${sink}/${task.stage}/${task.partition}`
    const marker = this.#markers.get(key)
    if (marker && (task.run < marker.run || (task.run === marker.run && batchId <= marker.batchId))) return
    this.#markers.set(key, { run: task.run, batchId })
    for (const record of records) this.applied.push({ run: task.run, stage: task.stage, partition: task.partition, batchId, value: JSON.parse(record.toString()) as unknown })
  }
}
