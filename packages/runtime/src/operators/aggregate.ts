// Built-in aggregates (count, sum, min, max, avg), with windows or without: a few numbers for each key. The hot path of most jobs.
import { TidemarkError } from '@tidemark/base'
import type { AggregateFunctions, AggregateNode, Aggregator, Key } from 'tidemark'
import { UNGROUPED } from '../state/table.ts'
import type { TupleGroup, TupleTable } from '../state/tuple-table.ts'
import { closesAt, resultTime, windowStart } from '../windows/tumbling.ts'
import type { Closing } from './closing.ts'
import { FATE } from './scope.ts'
import type { Push, Scope } from './scope.ts'

/** Numbers of each field's accumulator at its start; min and max are never read before their first record. */
const INITIAL: Readonly<Record<Exclude<Aggregator['kind'], 'custom'>, readonly number[]>> = { count: [0], sum: [0], min: [Infinity], max: [-Infinity], avg: [0, 0] }

export const isFlat = (functions: AggregateFunctions): boolean => functions.aggregators.every((aggregator) => aggregator.kind !== 'custom')

export const initialTuple = (functions: AggregateFunctions): number[] => functions.aggregators.flatMap(({ kind }) => kind === 'custom' ? [] : [...INITIAL[kind]])

const notANumber = (node: AggregateNode, field: string, value: unknown): TidemarkError =>
  new TidemarkError(`field "${field}" of aggregate "${node.name}" got ${typeof value === 'number' ? value : `a value of type ${typeof value}`} where a finite number is wanted`, {
    code: 'JOB_NOT_A_NUMBER', blame: 'user', action: 'fail-job', hint: 'Check records with a schema: json(schema).',
  })

export class AggregateOperator implements Closing<number, TupleGroup> {
  readonly node: AggregateNode
  readonly lagMs: number
  readonly table: TupleTable
  readonly push: Push
  readonly #aggregators: readonly Aggregator[]
  readonly #numbers: number[]
  readonly #scope: Scope
  readonly #next: Push

  constructor(node: AggregateNode, functions: AggregateFunctions, table: TupleTable, scope: Scope, lagMs: number, next: Push) {
    this.node = node
    this.table = table
    this.lagMs = lagMs
    this.#aggregators = functions.aggregators
    this.#numbers = functions.aggregators.map(() => 0)
    this.#scope = scope
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
    const aggregators = this.#aggregators
    const numbers = this.#numbers
    // All numbers first: a value that has none must leave no trace.
    for (let i = 0; i < aggregators.length; i += 1) {
      const aggregator = aggregators[i] as Aggregator
      if (aggregator.of === undefined) continue
      const number = aggregator.of(value)
      if (!Number.isFinite(number)) throw notANumber(this.node, aggregator.field, number)
      numbers[i] = number
    }
    scope.effects += 1
    const group = this.table.group(start)
    const row = this.table.open(group, scope.key as Key)
    const tuple = group.numbers
    let slot = row + 1
    for (let i = 0; i < aggregators.length; i += 1) {
      const number = numbers[i] as number
      switch ((aggregators[i] as Aggregator).kind) {
        case 'count': tuple[slot] = (tuple[slot] as number) + 1; break
        case 'sum': tuple[slot] = (tuple[slot] as number) + number; break
        case 'min': if (number < (tuple[slot] as number)) tuple[slot] = number; break
        case 'max': if (number > (tuple[slot] as number)) tuple[slot] = number; break
        case 'avg':
          tuple[slot] = (tuple[slot] as number) + number
          slot += 1
          tuple[slot] = (tuple[slot] as number) + 1
          break
        case 'custom': break
      }
      slot += 1
    }
    scope.fate |= FATE.folded
    if (this.node.emit === 'updates') this.#emit(group, scope.key as Key, row)
  }

  #emit(group: TupleGroup, key: Key, row: number): void {
    const { window } = this.node
    const scope = this.#scope
    if (window === null) {
      this.#next(this.#resultOf(group, key, row))
      return
    }
    const [keyBefore, timeBefore] = [scope.key, scope.time]
    scope.key = key
    scope.time = resultTime(window, group.id)
    this.#next(this.#resultOf(group, key, row))
    scope.key = keyBefore
    scope.time = timeBefore
  }

  /** `{ key, window?, …fields }` */
  #resultOf({ id: start, numbers: tuple }: TupleGroup, key: Key, row: number): Record<string, unknown> {
    const { window } = this.node
    const result: Record<string, unknown> = window === null ? { key } : { key, window: { start, end: start + window.sizeMs } }
    let slot = row + 1
    for (const { kind, field } of this.#aggregators) {
      if (kind === 'avg') {
        result[field] = (tuple[slot] as number) / (tuple[slot + 1] as number)
        slot += 2
      } else {
        result[field] = tuple[slot]
        slot += 1
      }
    }
    return result
  }

  // Closing

  earliest(): TupleGroup | undefined {
    return this.table.earliest()
  }

  present(): boolean {
    return true
  }

  emitResult(group: TupleGroup, key: Key, row: number): void {
    this.#scope.node = this.node.id
    this.#emit(group, key, row)
  }

  describe(group: TupleGroup, key: Key, row: number): unknown {
    return this.#resultOf(group, key, row)
  }

  dropGroup(group: TupleGroup): void {
    this.table.dropGroup(group)
  }

  deleteKey(group: TupleGroup, key: Key): void {
    this.table.delete(group, key)
  }
}
