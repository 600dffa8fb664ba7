// Aggregates: what is kept for a key (and window), and how a record changes it.
import { TidemarkError } from '@tidemark/base'
import type { Aggregator } from './plan/functions.ts'
import type { AggregateKind } from './plan/plan.ts'
import { misuse, synchronous } from './misuse.ts'

/** Folds values of type `T` into a result of type `R`. Made by `count`, `sum`, `min`, `max`, `avg`, `aggregate`. */
export interface Aggregate<in T, out R> {
  readonly kind: AggregateKind
  readonly initial: () => unknown
  readonly add: (accumulator: unknown, value: T) => unknown
  readonly result: (accumulator: unknown) => R
  readonly merge?: (a: unknown, b: unknown) => unknown
  readonly of?: (value: T) => number
}

/** A user-defined aggregate with accumulators of type `A`. */
export interface AggregateSpec<T, A, R> {
  /** A new accumulator, plain data; called for each key (and window). */
  initial(): A
  /** The accumulator with one more value. It may change `accumulator` in place, but must answer it. */
  add(accumulator: A, value: T): A
  result(accumulator: A): R
  /** The accumulator of both accumulators' values. */
  merge?(a: A, b: A): A
}

// An accumulator leaves as `unknown` and only ever comes back to the aggregate that made it: the one reason for the casts in here.
const erased = <T, A, R>(kind: AggregateKind, spec: AggregateSpec<T, A, R>, of?: (value: T) => number): Aggregate<T, R> => ({
  kind,
  initial: () => spec.initial(),
  add: (accumulator, value) => spec.add(accumulator as A, value),
  result: (accumulator) => spec.result(accumulator as A),
  ...(spec.merge === undefined ? {} : { merge: (a, b) => spec.merge?.(a as A, b as A) }),
  ...(of === undefined ? {} : { of }),
})

const finite = (value: number): number => {
  if (!Number.isFinite(value)) {
    throw new TidemarkError(`an aggregate got ${typeof value === 'number' ? value : `a value of type ${typeof value}`} where a finite number is wanted`, {
      code: 'JOB_NOT_A_NUMBER', blame: 'user', action: 'fail-job', hint: 'Check records with a schema: json(schema).',
    })
  }
  return value
}

/** How many records. */
export const count = (): Aggregate<unknown, number> => erased<unknown, number, number>('count', { initial: () => 0, add: (n) => n + 1, result: (n) => n, merge: (a, b) => a + b })

/** The sum of `of(value)`. A value that is no finite number is its record's error (`JOB_NOT_A_NUMBER`); so for `min`, `max`, `avg`. */
export const sum = <T>(of: (value: T) => number): Aggregate<T, number> => {
  synchronous(of, 'sum(of)')
  return erased<T, number, number>('sum', { initial: () => 0, add: (total, value) => total + finite(of(value)), result: (total) => total, merge: (a, b) => a + b }, of)
}

const extreme = <T>(kind: 'min' | 'max', of: (value: T) => number): Aggregate<T, number> => {
  synchronous(of, `${kind}(of)`)
  const better = kind === 'min' ? (a: number, b: number) => b < a ? b : a : (a: number, b: number) => b > a ? b : a
  return erased<T, number | null, number>(kind, {
    initial: () => null,
    add: (best, value) => best === null ? finite(of(value)) : better(best, finite(of(value))),
    result: (best) => {
      if (best === null) throw new TidemarkError(`${kind} has no result before its first record`, { code: 'JOB_AGGREGATE_EMPTY', blame: 'bug', action: 'fail-job' })
      return best
    },
    merge: (a, b) => a === null ? b : b === null ? a : better(a, b),
  }, of)
}

/** The smallest `of(value)`. */
export const min = <T>(of: (value: T) => number): Aggregate<T, number> => extreme('min', of)

/** The largest `of(value)`. */
export const max = <T>(of: (value: T) => number): Aggregate<T, number> => extreme('max', of)

/** The arithmetic mean of `of(value)`. */
export const avg = <T>(of: (value: T) => number): Aggregate<T, number> => {
  synchronous(of, 'avg(of)')
  return erased<T, readonly [total: number, records: number], number>('avg', {
    initial: () => [0, 0],
    add: ([total, records], value) => [total + finite(of(value)), records + 1],
    result: ([total, records]) => total / records,
    merge: (a, b) => [a[0] + b[0], a[1] + b[1]],
  }, of)
}

/**
 * A user-defined aggregate.
 *
 * @example
 * aggregate({ initial: () => new Array<string>(), add: (seen, order: Order) => seen.includes(order.item) ? seen : [...seen, order.item], result: (seen) => seen.length })
 */
export const aggregate = <T, A, R>(spec: AggregateSpec<T, A, R>): Aggregate<T, R> => {
  if (typeof spec !== 'object' || spec === null) throw misuse('aggregate', 'an object with initial, add and result is wanted')
  for (const part of ['initial', 'add', 'result'] as const) synchronous(spec[part], `aggregate.${part}`)
  if (spec.merge !== undefined) synchronous(spec.merge, 'aggregate.merge')
  return erased('custom', spec)
}

const isAggregate = (value: unknown): boolean => typeof value === 'object' && value !== null && 'kind' in value && 'initial' in value && 'add' in value && 'result' in value

/** As the runtime gets it: with its field's name, the value's type forgotten (see plan/functions.ts). */
export const aggregatorOf = <T>(field: string, of: Aggregate<T, unknown>, path: string): Aggregator => {
  if (!isAggregate(of)) throw misuse(path, 'an aggregate is wanted: count(), sum(f), min(f), max(f), avg(f) or aggregate({ … })')
  const methods: MethodsOf<T> = of
  return { field, ...methods }
}

/** The same with `add` and `of` as methods, so that it can be stored as an `Aggregator` without a cast. */
interface MethodsOf<T> extends Pick<Aggregate<T, unknown>, 'kind' | 'initial' | 'result' | 'merge'> {
  add(accumulator: unknown, value: T): unknown
  of?(value: T): number
}
