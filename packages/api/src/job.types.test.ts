// What the types of the builder promise. `tsc` is half of this test: a line under @ts-expect-error that compiles is an error.
import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { aggregate, avg, count, files, generator, job, json, max, string, sum, topic, topicSink, tumbling } from './index.ts'
import type { Aggregated, Stream, Window } from './index.ts'

type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends (<X>() => X extends B ? 1 : 2) ? true : false
/** Compiles only where the stream has exactly this type. */
const typed = <Wanted>() => <T>(stream: Stream<T>, same: Equal<T, Wanted>): Stream<T> => {
  expect(same).toBe(true)
  return stream
}

interface Order {
  readonly user: string
  readonly amount: number
  readonly status: 'new' | 'paid'
}
interface Paid extends Order {
  readonly status: 'paid'
}
const orders = () => job('types').source('orders', topic('orders', { value: json<Order>(), timestamp: (order) => order.amount }))
const byUser = () => orders().keyBy((order) => order.user)

describe('types', () => {
  test('types: a schema gives the stream its output type', () => {
    const schema = z.object({ user: z.string(), amount: z.string().transform(Number) })
    const stream = job('types').source('in', topic('in', { value: json(schema), timestamp: (order) => order.amount }))
    typed<{ user: string, amount: number }>()(stream, true)
  })

  test('types: map, flatMap and a type guard carry their types on', () => {
    typed<number>()(orders().map((order) => order.amount), true)
    typed<string>()(orders().flatMap((order) => [order.user]), true)
    typed<Paid>()(orders().filter((order): order is Paid => order.status === 'paid'), true)
    typed<Order>()(orders().filter((order) => order.amount > 1), true)
  })

  test('types: results have the key, the window where there is one, and the fields', () => {
    const fields = { orders: count(), mean: avg((order: Order) => order.amount) }
    typed<Aggregated<string, typeof fields>>()(byUser().aggregate('a', fields), true)
    typed<{ readonly key: string, readonly orders: number, readonly total: number }>()(byUser().aggregate('a', { orders: count(), total: sum((order) => order.amount) }), true)
    typed<{ readonly key: string, readonly window: Window, readonly top: number }>()(byUser().window(tumbling('1s')).aggregate('a', { top: max((order) => order.amount) }), true)
    const items = aggregate({ initial: () => new Array<string>(), add: (seen, order: Order) => [...seen, order.status], result: (seen) => seen.join() })
    typed<{ readonly key: string, readonly items: string }>()(byUser().aggregate('a', { items }), true)
    typed<number>()(orders().keyBy((order) => order.amount).aggregate('a', { n: count() }).map(({ key }) => key), true)
    typed<Order>()(byUser().reduce('r', (a, b) => a.amount > b.amount ? a : b).map(({ value }) => value), true)
    typed<number>()(byUser().window(tumbling('1s')).reduce('r', (a) => a).map(({ window }) => window.end), true)
  })

  test('types: key and window are no field names', () => {
    // @ts-expect-error `key` is taken by the result
    byUser().aggregate('a', { key: count() })
    // @ts-expect-error `window` is taken by the result
    byUser().window(tumbling('1s')).aggregate('a', { window: count() })
  })

  test('types: a stateful operator demands its name', () => {
    // @ts-expect-error the name is missing
    expect(() => byUser().aggregate({ n: count() })).toThrow('a string is wanted')
    // @ts-expect-error the name is missing
    expect(() => byUser().reduce((a) => a)).toThrow('a string is wanted')
    // @ts-expect-error the name is missing
    expect(() => byUser().process({ onRecord() {} })).toThrow('a string is wanted')
    // @ts-expect-error the name is missing
    expect(() => byUser().window(tumbling('1s')).aggregate({ n: count() })).toThrow('a string is wanted')
  })

  test('types: state and windows only behind keyBy; keys are strings or numbers; final only with a window', () => {
    // @ts-expect-error not keyed
    expect(() => orders().aggregate('a', { n: count() })).toThrow(TypeError)
    // @ts-expect-error not keyed
    expect(() => orders().window(tumbling('1s'))).toThrow(TypeError)
    // @ts-expect-error an object is no key
    orders().keyBy((order) => order)
    // @ts-expect-error nothing is final without a window
    byUser().aggregate('a', { n: count() }, { emit: 'final' })
    // @ts-expect-error an aggregate of another type of record
    byUser().aggregate('a', { n: sum((text: string) => text.length) })
    // @ts-expect-error a text is no number to sum
    byUser().aggregate('a', { n: sum((order) => order.user) })
  })

  test('types: process has typed key, state, value and output', () => {
    const alerts = byUser().process<string, { readonly seen: number }>('p', {
      state: () => ({ seen: 0 }),
      onRecord(ctx, order) {
        const key: Equal<typeof ctx.key, string> = true
        const value: Equal<typeof order, Order> = true
        const state: Equal<ReturnType<typeof ctx.state.get>, { readonly seen: number }> = true
        expect([key, value, state]).toEqual([true, true, true])
        // @ts-expect-error a number is no output
        ctx.emit(1)
        // @ts-expect-error no such state
        ctx.state.set({ seen: 'often' })
      },
    })
    typed<string>()(alerts, true)
    typed<number>()(byUser().process<number, number | undefined>('p', { onRecord(ctx) { ctx.emit(ctx.state.get() ?? 0) } }), true)
    byUser().process('p', {
      state: () => 0,
      onRecord(ctx) {
        ctx.state.set(ctx.state.get() + 1)
        // @ts-expect-error nothing is emitted unless its type is named
        ctx.emit('x')
      },
    })
    // @ts-expect-error the initial state is missing
    byUser().process<string, { readonly seen: number }>('p', { onRecord() {} })
  })

  test('types: a sink takes what the stream has; a wider one does, a narrower one does not', () => {
    orders().sink('s', topicSink('t', { value: json() }))
    orders().sink('s', topicSink('t', { value: json(), key: (order) => order.user }))
    orders().sink('s', topicSink('t', { value: json<{ readonly user: string }>() }))
    // @ts-expect-error the stream has orders, not only paid ones
    orders().sink('s', topicSink('t', { value: json<Paid>() }))
    // @ts-expect-error orders are no text
    orders().sink('s', topicSink('t', { value: string() }))
    const base = orders().sink('s', topicSink('t', { value: json() }))
    typed<string>()(base.source('more', topic('more', { value: string() })), true)
  })

  test('types: files and generators demand a timestamp, durations have units', () => {
    // @ts-expect-error a line has no time of its own
    files(['a'], { value: string() })
    // @ts-expect-error a made record has no time of its own
    expect(() => job('t').source('g', generator({ partitions: 1, make: () => 1 }))).toThrow('a function is wanted')
    // @ts-expect-error no such unit
    tumbling('10 years')
    // @ts-expect-error no such setting
    expect(() => job('t', { paralelism: 4 })).toThrow('no such setting')
  })
})
