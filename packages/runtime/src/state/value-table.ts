// State that is any value for each key (and window): process handlers, reduce, custom aggregates. What counts is the encoded value; it is
// decoded when a batch first asks for it, encoded again when the batch is sealed, so values that user code changed in place count as changed.
import type { Key } from 'tidemark'
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import { Table } from './table.ts'
import type { Group } from './table.ts'
import { decodeValue, encodeValue, joinValues, splitValues, STATE_VALUE_BYTES_MAX } from './value-codec.ts'
import type { EncodedValue } from './value-codec.ts'

/** One key's value. */
export interface Cell {
  stamp: number
  readonly key: Key
  /** As of the last seal; undefined: there is none. */
  encoded: EncodedValue | undefined
  /** The value, while `isOpen`. */
  live: unknown
  isOpen: boolean
  has: boolean
  /** Looked at since the last seal. */
  unsealed: boolean
  /** `live` is an initial state that was only looked at: it becomes state only if it was changed. */
  initial: (() => unknown) | undefined
}

export type ValueGroup = Group<Cell, EncodedValue>

export class ValueTable extends Table<Cell, EncodedValue> {
  #unsealed: { readonly group: ValueGroup, readonly cell: Cell }[] = []

  /** The cell of a key, its value decoded, ready to be read and changed. Whatever happens to `live` from here on counts. */
  open(group: ValueGroup, key: Key): Cell {
    let cell = group.entries.get(key)
    if (cell === undefined) {
      cell = { stamp: this.stamp, key, encoded: undefined, live: undefined, isOpen: true, has: false, unsealed: false, initial: undefined }
      group.entries.set(key, cell)
      this.touch(group, key, undefined)
    } else if (cell.stamp !== this.stamp) {
      this.touch(group, key, cell.encoded)
      cell.stamp = this.stamp
    }
    if (!cell.isOpen) {
      cell.has = cell.encoded !== undefined
      cell.live = cell.encoded === undefined ? undefined : decodeValue(cell.encoded)
      cell.isOpen = true
    }
    if (!cell.unsealed) {
      cell.unsealed = true
      this.#unsealed.push({ group, cell })
    }
    return cell
  }

  /** A value that is only read: decoded anew for a closed cell, so that nothing the reader does to it counts. */
  peek(cell: Cell): unknown {
    return cell.isOpen ? cell.live : cell.encoded === undefined ? undefined : decodeValue(cell.encoded)
  }

  set(cell: Cell, value: unknown): void {
    cell.live = value
    cell.has = true
    cell.initial = undefined
  }

  clear(cell: Cell): void {
    cell.live = undefined
    cell.has = false
    cell.initial = undefined
  }

  delete(group: ValueGroup, key: Key): void {
    if (group.entries.has(key)) this.clear(this.open(group, key))
  }

  /** Encodes what was opened since the last seal. Throws `TASK_VALUE_TOO_LARGE` or `TASK_STATE_UNSUPPORTED`, naming the key; the batch must be taken back then. */
  override seal(): void {
    for (const { group, cell } of this.#unsealed) {
      cell.unsealed = false
      const before = cell.encoded?.length ?? 0
      cell.encoded = this.#encode(cell)
      group.bytes += (cell.encoded?.length ?? 0) - before
      this.meter.changedBytes += (cell.encoded?.length ?? 0) + 12
    }
    this.#unsealed = []
  }

  #encode(cell: Cell): EncodedValue | undefined {
    if (!cell.has && cell.initial === undefined) return undefined
    try {
      const encoded = encodeValue(cell.live)
      if (encoded.length > STATE_VALUE_BYTES_MAX) {
        throw new TidemarkError(`the state "${this.name}" of key ${JSON.stringify(cell.key)} is ${encoded.length} bytes large, more than ${STATE_VALUE_BYTES_MAX}`, {
          code: 'TASK_VALUE_TOO_LARGE', blame: 'user', action: 'fail-job', details: { table: this.name, key: cell.key, bytes: encoded.length }, hint: 'Keep less under one key: spread it over several keys, or keep a summary.',
        })
      }
      if (cell.initial !== undefined && encoded === encodeValue(cell.initial())) return undefined
      cell.has = true
      return encoded
    } catch (cause) {
      if (isTidemarkError(cause)) throw cause
      throw new TidemarkError(`the state "${this.name}" of key ${JSON.stringify(cell.key)} can't be kept: ${cause instanceof Error ? cause.message : String(cause)}`, {
        code: 'TASK_STATE_UNSUPPORTED', blame: 'user', action: 'fail-job', cause, hint: 'State is plain data: what msgpack carries.',
      })
    }
  }

  override undo(): void {
    for (const { cell } of this.#unsealed) cell.unsealed = false
    this.#unsealed = []
    super.undo()
  }

  protected override restore(group: ValueGroup, key: Key, before: EncodedValue): void {
    const cell = group.entries.get(key)
    group.bytes += before.length - (cell?.encoded?.length ?? 0)
    if (cell === undefined) group.entries.set(key, closedCell(key, before))
    else {
      cell.encoded = before
      close(cell)
    }
  }

  protected override present(cell: Cell): boolean {
    return cell.encoded !== undefined
  }

  protected override unchanged(cell: Cell, before: EncodedValue | undefined): boolean {
    return cell.encoded === before
  }

  protected override bytesOf(_key: Key, cell: Cell): number {
    return cell.encoded?.length ?? 0
  }

  protected override settle(group: ValueGroup): void {
    for (const key of group.keys) {
      const cell = group.entries.get(key)
      if (cell === undefined) continue
      close(cell)
      if (cell.encoded === undefined) group.entries.delete(key)
    }
  }

  protected override columns(_group: object, cells: readonly Cell[]): unknown[] {
    return joinValues(cells.map((cell) => cell.encoded ?? ''))
  }

  protected override read(group: ValueGroup, keys: readonly Key[], columns: readonly unknown[]): void {
    const [bytes, lengths] = columns as [Buffer, readonly number[]]
    const values = splitValues(bytes, lengths)
    for (let i = 0; i < keys.length; i += 1) {
      const [key, value] = [keys[i] as Key, values[i] as EncodedValue]
      group.bytes += value.length - (group.entries.get(key)?.encoded?.length ?? 0)
      group.entries.set(key, closedCell(key, value))
    }
  }
}

const closedCell = (key: Key, encoded: EncodedValue): Cell => ({ stamp: 0, key, encoded, live: undefined, isOpen: false, has: true, unsealed: false, initial: undefined })

const close = (cell: Cell): void => {
  cell.live = undefined
  cell.isOpen = false
  cell.has = cell.encoded !== undefined
  cell.initial = undefined
}
