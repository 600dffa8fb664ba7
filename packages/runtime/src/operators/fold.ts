// Folds whose accumulators are any value: reduce, and aggregates with a custom field. User code may change an accumulator in place; the table
// keeps encoded bytes, so a batch that is taken back loses every trace of it.
import type { AggregateFunctions, AggregateNode, Key, ReduceFunctions, ReduceNode } from 'tidemark'
import { UNGROUPED } from '../state/table.ts'
import { decodeValue, encodeValue } from '../state/value-codec.ts'
import type { Cell, ValueGroup, ValueTable } from '../state/value-table.ts'
import { closesAt, resultTime, windowStart } from '../windows/tumbling.ts'
import type { Closing } from './closing.ts'
import { FATE } from './scope.ts'
import type { Push, Scope } from './scope.ts'
import { refusePromise } from './user-code.ts'

/** What a fold does; accumulators are opaque. */
export interface Folding {
  first(value: unknown): unknown
  add(accumulator: unknown, value: unknown): unknown
  /** Sets the fields of a result. */
  result(accumulator: unknown, into: Record<string, unknown>): void
}

const copyOf = (value: unknown): unknown => decodeValue(encodeValue(value))

export const reduceFolding = (node: ReduceNode, functions: ReduceFunctions): Folding => {
  const what = `reduce "${node.name}"`
  return {
    // A copy: the reducer may change it in place, and the value may have other readers.
    first: copyOf,
    add: (accumulator, value) => refusePromise(functions.reduce(accumulator, value), what),
    result: (accumulator, into) => {
      into['value'] = accumulator
    },
  }
}

export const aggregateFolding = (node: AggregateNode, functions: AggregateFunctions): Folding => {
  const { aggregators } = functions
  const what = `aggregate "${node.name}"`
  const add = (accumulator: unknown, value: unknown): unknown[] => {
    const slots = accumulator as unknown[]
    for (const [i, aggregator] of aggregators.entries()) slots[i] = refusePromise(aggregator.add(slots[i], value), what)
    return slots
  }
  return {
    first: (value) => add(aggregators.map((aggregator) => refusePromise(aggregator.initial(), what)), value),
    add,
    result: (accumulator, into) => {
      for (const [i, aggregator] of aggregators.entries()) into[aggregator.field] = refusePromise(aggregator.result((accumulator as unknown[])[i]), what)
    },
  }
}

export class FoldOperator implements Closing<Cell> {
  readonly node: AggregateNode | ReduceNode
  readonly lagMs: number
  readonly table: ValueTable
  readonly push: Push
  readonly #folding: Folding
  readonly #scope: Scope
  readonly #next: Push
  /** Results are kept by operators behind this one in the same stage: they get copies. */
  readonly #copies: boolean

  constructor(node: AggregateNode | ReduceNode, folding: Folding, table: ValueTable, scope: Scope, lagMs: number, copies: boolean, next: Push) {
    this.node = node
    this.table = table
    this.lagMs = lagMs
    this.#folding = folding
    this.#scope = scope
    this.#copies = copies
    this.#next = next
    this.push = (value) => this.#fold(value)
  }

  #fold(value: unknown): void {
    const scope = this.#scope
    const { window } = this.node
    scope.node = this.node.id
    let start = UNGROUPED
    if (window !== null) {
      start = windowStart(window, scope.time)
      if (closesAt(window, start) <= scope.watermark - this.lagMs) {
        scope.fate |= FATE.late
        scope.lateDrops += 1
        return
      }
    }
    // From here on user code has state in its hands.
    scope.effects += 1
    const group = this.table.group(start)
    const cell = this.table.open(group, scope.key as Key)
    this.table.set(cell, cell.has ? this.#folding.add(cell.live, value) : this.#folding.first(value))
    scope.fate |= FATE.folded
    if (this.node.emit === 'updates') this.emitResult(group, scope.key as Key, cell)
  }

  earliest(): ValueGroup | undefined {
    return this.table.earliest()
  }

  present(cell: Cell): boolean {
    return cell.isOpen ? cell.has : cell.encoded !== undefined
  }

  emitResult({ id: start }: ValueGroup, key: Key, cell: Cell): void {
    const { window } = this.node
    const scope = this.#scope
    scope.node = this.node.id
    const result = this.#resultOf(start, key, cell)
    const [keyBefore, timeBefore] = [scope.key, scope.time]
    scope.key = key
    if (window !== null) scope.time = resultTime(window, start)
    this.#next(result)
    scope.key = keyBefore
    scope.time = timeBefore
  }

  #resultOf(start: number, key: Key, cell: Cell): Record<string, unknown> {
    const { window } = this.node
    const result: Record<string, unknown> = window === null ? { key } : { key, window: { start, end: start + window.sizeMs } }
    const value = this.table.peek(cell)
    this.#folding.result(this.#copies && cell.isOpen ? copyOf(value) : value, result)
    return result
  }

  /** What was to be emitted; the accumulator where even its result failed. */
  describe({ id: start }: ValueGroup, key: Key, cell: Cell): unknown {
    try {
      return this.#resultOf(start, key, cell)
    } catch {
      return { key, window: { start }, accumulator: this.table.peek(cell) }
    }
  }

  dropGroup(group: ValueGroup): void {
    this.table.dropGroup(group)
  }

  deleteKey(group: ValueGroup, key: Key): void {
    this.table.delete(group, key)
  }
}
