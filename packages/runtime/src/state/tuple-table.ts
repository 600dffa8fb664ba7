// State that is a few numbers for each key (and window): built-in aggregates. All numbers of a group stand in one array, a row for each key, so that a
// million keys are a few objects for the collector, not a million. Slot 0 of a row is the stamp of the batch that touched it last.
import type { Key } from 'tidemark'
import { Group, Table } from './table.ts'
import type { StateMeter } from './table.ts'

/** A row's numbers, without its stamp. */
type Tuple = readonly number[]

const ROWS_FIRST = 16
const keyBytes = (key: Key): number => typeof key === 'string' ? key.length + 2 : 9

/** An entry is where the row of its key begins in `numbers`. */
export class TupleGroup extends Group<number, Tuple> {
  /** Another array once the next row does not fit: ask for it again behind `add`. */
  numbers: Float64Array
  readonly #stride: number
  #end = 0
  /** Rows of keys that are gone. */
  readonly #free: number[] = []

  constructor(id: number, born: number, stride: number) {
    super(id, born)
    this.#stride = stride
    this.numbers = new Float64Array(ROWS_FIRST * stride)
  }

  /** A row for a new key, which holds anything. */
  add(): number {
    const free = this.#free.pop()
    if (free !== undefined) return free
    const row = this.#end
    this.#end += this.#stride
    if (this.#end > this.numbers.length) {
      const larger = new Float64Array(2 * this.numbers.length)
      larger.set(this.numbers)
      this.numbers = larger
    }
    return row
  }

  release(row: number): void {
    this.#free.push(row)
  }
}

export class TupleTable extends Table<number, Tuple, TupleGroup> {
  /** What a new row holds, behind its stamp. */
  readonly #initial: Tuple
  readonly width: number

  constructor(name: string, meter: StateMeter, initial: Tuple) {
    super(name, meter)
    this.#initial = initial
    this.width = initial.length
  }

  protected override make(id: number): TupleGroup {
    return new TupleGroup(id, this.stamp, this.width + 1)
  }

  /** The row of a key in `group.numbers`, to be changed in place: made if there is none. Its numbers begin one behind it. */
  open(group: TupleGroup, key: Key): number {
    const known = group.entries.get(key)
    if (known === undefined) {
      const made = this.#put(group, key, this.#initial)
      group.numbers[made] = this.stamp
      this.meter.changedBytes += this.bytesOf(key)
      this.touch(group, key, undefined)
      return made
    }
    if (group.numbers[known] !== this.stamp) {
      this.touch(group, key, this.#tupleAt(group, known))
      group.numbers[known] = this.stamp
      this.meter.changedBytes += this.bytesOf(key)
    }
    return known
  }

  /** Deletes one key; a second one after it would be a new entry. */
  delete(group: TupleGroup, key: Key): void {
    const row = group.entries.get(key)
    if (row === undefined) return
    if (group.numbers[row] !== this.stamp) this.touch(group, key, this.#tupleAt(group, row))
    this.meter.changedBytes += this.bytesOf(key)
    this.removeEntry(group, key)
  }

  /** The row of a key, made if there is none, touched by no batch yet. */
  #rowOf(group: TupleGroup, key: Key): number {
    let row = group.entries.get(key)
    if (row === undefined) {
      row = group.add()
      group.entries.set(key, row)
      group.bytes += this.bytesOf(key)
    }
    group.numbers[row] = 0
    return row
  }

  #put(group: TupleGroup, key: Key, tuple: Tuple): number {
    const row = this.#rowOf(group, key)
    const { numbers } = group
    for (let slot = 0; slot < this.width; slot += 1) numbers[row + 1 + slot] = tuple[slot] as number
    return row
  }

  #tupleAt({ numbers }: TupleGroup, row: number): number[] {
    const tuple = new Array<number>(this.width)
    for (let slot = 0; slot < this.width; slot += 1) tuple[slot] = numbers[row + 1 + slot] as number
    return tuple
  }

  protected override restore(group: TupleGroup, key: Key, before: Tuple): void {
    this.#put(group, key, before)
  }

  protected override removeEntry(group: TupleGroup, key: Key): void {
    const row = group.entries.get(key)
    super.removeEntry(group, key)
    if (row !== undefined) group.release(row)
  }

  protected override present(): boolean {
    return true
  }

  protected override bytesOf(key: Key): number {
    return keyBytes(key) + this.width * 8
  }

  protected override settle(): void {}

  protected override columns({ numbers }: TupleGroup, rows: readonly number[]): number[][] {
    const columns: number[][] = []
    for (let slot = 1; slot <= this.width; slot += 1) {
      const column = new Array<number>(rows.length)
      for (let i = 0; i < rows.length; i += 1) column[i] = numbers[(rows[i] as number) + slot] as number
      columns.push(column)
    }
    return columns
  }

  protected override read(group: TupleGroup, keys: readonly Key[], columns: readonly unknown[]): void {
    const read = columns as readonly (readonly number[])[]
    for (let i = 0; i < keys.length; i += 1) {
      const row = this.#rowOf(group, keys[i] as Key)
      const { numbers } = group
      for (let slot = 0; slot < this.width; slot += 1) numbers[row + 1 + slot] = (read[slot] as readonly number[])[i] as number
    }
  }
}
