// Undelivered writes of external sinks, as a state table: one entry for each sink, run and batch, deleted by the batch that records the sink's
// acknowledgement. So snapshot, undo and replay cover them like any state.
import type { Key } from 'tidemark'
import type { OutboxEntry } from '../task/task.ts'
import { Table, UNGROUPED } from './table.ts'
import type { Group } from './table.ts'

export type EntryName = Pick<OutboxEntry, 'sink' | 'run' | 'batchId'>

export const entryName = ({ sink, run, batchId }: EntryName): string => `${run} ${batchId} ${sink}`
const bytesIn = (entry: OutboxEntry): number => entry.records.reduce((sum, record) => sum + record.length, 0)

export class OutboxTable extends Table<OutboxEntry, OutboxEntry> {
  add(entry: OutboxEntry): void {
    const group = this.group(UNGROUPED)
    const key = entryName(entry)
    this.touch(group, key, undefined)
    this.restore(group, key, entry)
  }

  remove(name: EntryName): void {
    const key = entryName(name)
    const group = this.groups.get(UNGROUPED)
    const entry = group?.entries.get(key)
    if (group === undefined || entry === undefined) return
    this.touch(group, key, entry)
    this.removeEntry(group, key)
  }

  has(name: EntryName): boolean {
    return this.groups.get(UNGROUPED)?.entries.has(entryName(name)) ?? false
  }

  /** Oldest first. */
  list(): OutboxEntry[] {
    return [...this.groups.get(UNGROUPED)?.entries.values() ?? []].sort((a, b) => a.run - b.run || a.batchId - b.batchId)
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

  protected override columns(_group: object, entries: readonly OutboxEntry[]): unknown[] {
    return [entries.map((entry) => entry.sink), entries.map((entry) => entry.run), entries.map((entry) => entry.batchId), entries.map((entry) => entry.records)]
  }

  protected override read(group: Group<OutboxEntry, OutboxEntry>, keys: readonly Key[], columns: readonly unknown[]): void {
    const [sinks, runs, batchIds, records] = columns as [readonly string[], readonly number[], readonly number[], readonly (readonly Buffer[])[]]
    for (let i = 0; i < keys.length; i += 1) {
      const copies = (records[i] as readonly Buffer[]).map((record) => Buffer.from(record))
      this.restore(group, keys[i] as Key, { sink: sinks[i] as string, run: runs[i] as number, batchId: batchIds[i] as number, records: copies })
    }
  }
}
