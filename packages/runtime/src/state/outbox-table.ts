// Undelivered writes of external sinks, as a state table: one entry for each sink and batch, deleted by the batch that records the sink's
// acknowledgement. So snapshot, undo and replay cover them like any state.
import type { Key } from 'tidemark'
import type { OutboxEntry } from '../task/task.ts'
import { Table, UNGROUPED } from './table.ts'
import type { Group } from './table.ts'

const keyOf = (sink: string, batchId: number): string => `${batchId} ${sink}`
const bytesIn = (entry: OutboxEntry): number => entry.records.reduce((sum, record) => sum + record.length, 0)

export class OutboxTable extends Table<OutboxEntry, OutboxEntry> {
  add(entry: OutboxEntry): void {
    const group = this.group(UNGROUPED)
    const key = keyOf(entry.sink, entry.batchId)
    this.touch(group, key, undefined)
    this.restore(group, key, entry)
  }

  remove(sink: string, batchId: number): void {
    const group = this.groups.get(UNGROUPED)
    const entry = group?.entries.get(keyOf(sink, batchId))
    if (group === undefined || entry === undefined) return
    this.touch(group, keyOf(sink, batchId), entry)
    this.removeEntry(group, keyOf(sink, batchId))
  }

  has(sink: string, batchId: number): boolean {
    return this.groups.get(UNGROUPED)?.entries.has(keyOf(sink, batchId)) ?? false
  }

  /** Oldest first. */
  list(): OutboxEntry[] {
    return [...this.groups.get(UNGROUPED)?.entries.values() ?? []].sort((a, b) => a.batchId - b.batchId)
  }

  protected override restore(group: Group<OutboxEntry, OutboxEntry>, key: Key, before: OutboxEntry): void {
    if (!group.entries.has(key)) group.bytes += bytesIn(before)
    group.entries.set(key, before)
  }

  protected override present(): boolean {
    return true
  }

  protected override bytesOf(_key: Key, entry: OutboxEntry): number {
    return bytesIn(entry)
  }

  protected override settle(): void {}

  protected override columns(entries: readonly OutboxEntry[]): unknown[] {
    return [entries.map((entry) => entry.sink), entries.map((entry) => entry.batchId), entries.map((entry) => entry.records)]
  }

  protected override read(group: Group<OutboxEntry, OutboxEntry>, keys: readonly Key[], columns: readonly unknown[]): void {
    const [sinks, batchIds, records] = columns as [readonly string[], readonly number[], readonly (readonly Buffer[])[]]
    for (let i = 0; i < keys.length; i += 1) {
      const copies = (records[i] as readonly Buffer[]).map((record) => Buffer.from(record))
      this.restore(group, keys[i] as Key, { sink: sinks[i] as string, batchId: batchIds[i] as number, records: copies })
    }
  }
}
