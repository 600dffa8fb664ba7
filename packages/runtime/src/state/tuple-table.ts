// State that is a few numbers for each key (and window): built-in aggregates. An entry is a flat array: slot 0 is the stamp of the batch
// that touched it last, the rest are the numbers. A before-image is a slice.
import type { Key } from 'tidemark'
import { Table } from './table.ts'
import type { Group, StateMeter } from './table.ts'

export type Tuple = number[]
export type TupleGroup = Group<Tuple, Tuple>

const keyBytes = (key: Key): number => typeof key === 'string' ? key.length + 2 : 9

export class TupleTable extends Table<Tuple, Tuple> {
  /** Numbers of an entry, and what a new one holds. */
  readonly #initial: readonly number[]
  readonly width: number

  constructor(name: string, meter: StateMeter, initial: readonly number[]) {
    super(name, meter)
    this.#initial = [0, ...initial]
    this.width = initial.length
  }

  /** The tuple of a key, to be changed in place: made if there is none. Its numbers begin at index 1. */
  open(group: TupleGroup, key: Key): Tuple {
    const known = group.entries.get(key)
    if (known === undefined) {
      const made = this.#initial.slice()
      made[0] = this.stamp
      group.entries.set(key, made)
      group.bytes += this.bytesOf(key)
      this.meter.changedBytes += this.bytesOf(key)
      this.touch(group, key, undefined)
      return made
    }
    if (known[0] !== this.stamp) {
      this.touch(group, key, known.slice())
      known[0] = this.stamp
      this.meter.changedBytes += this.bytesOf(key)
    }
    return known
  }

  /** Deletes one key; a second one after it would be a new entry. */
  delete(group: TupleGroup, key: Key): void {
    const entry = group.entries.get(key)
    if (entry === undefined) return
    if (entry[0] !== this.stamp) this.touch(group, key, entry.slice())
    this.meter.changedBytes += this.bytesOf(key)
    this.removeEntry(group, key)
  }

  protected override restore(group: TupleGroup, key: Key, before: Tuple): void {
    if (!group.entries.has(key)) group.bytes += this.bytesOf(key)
    group.entries.set(key, before)
  }

  protected override present(): boolean {
    return true
  }

  protected override bytesOf(key: Key): number {
    return keyBytes(key) + this.width * 8
  }

  protected override settle(): void {}

  protected override columns(entries: readonly Tuple[]): number[][] {
    const columns: number[][] = []
    for (let slot = 1; slot <= this.width; slot += 1) {
      const column = new Array<number>(entries.length)
      for (let i = 0; i < entries.length; i += 1) column[i] = (entries[i] as Tuple)[slot] as number
      columns.push(column)
    }
    return columns
  }

  protected override read(group: TupleGroup, keys: readonly Key[], columns: readonly unknown[]): void {
    const numbers = columns as readonly (readonly number[])[]
    for (let i = 0; i < keys.length; i += 1) {
      const key = keys[i] as Key
      // Read between batches only: nobody holds the tuple, so a known one is overwritten.
      let tuple = group.entries.get(key)
      if (tuple === undefined) {
        tuple = this.#initial.slice()
        group.entries.set(key, tuple)
        group.bytes += this.bytesOf(key)
      }
      for (let slot = 0; slot < this.width; slot += 1) tuple[slot + 1] = (numbers[slot] as readonly number[])[i] as number
    }
  }
}
