// The state tables against a plain model: batches, undos, walks and replays in any order.
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Key } from 'tidemark'
import { OutboxTable } from './outbox-table.ts'
import { TaskState } from './task-state.ts'
import { TimerTable } from './timer-table.ts'
import { TupleTable } from './tuple-table.ts'
import { UNGROUPED } from './table.ts'
import { ValueTable } from './value-table.ts'

const makeState = () => {
  const state = new TaskState()
  return {
    state,
    sums: state.add(new TupleTable('sums', state.meter, [0, 0])),
    values: state.add(new ValueTable('values', state.meter)),
    timers: state.add(new TimerTable('timers', state.meter)),
    outbox: state.add(new OutboxTable('outbox', state.meter)),
  }
}
type Tables = ReturnType<typeof makeState>

/** What the tables hold, by other means: plain JSON of plain maps. */
interface Model {
  sums: Map<number, Map<Key, [number, number]>>
  values: Map<Key, { list: number[] }>
  timers: Map<Key, Set<number>>
  outbox: Map<string, string>
}
const copy = (model: Model): Model => structuredClone(model)

const KEYS: readonly Key[] = ['a', 'b', '__proto__', 'constructor', '1', 1, 'ü', '']

type Action =
  | { readonly do: 'add', readonly window: number, readonly key: Key, readonly amount: number }
  | { readonly do: 'close', readonly window: number }
  | { readonly do: 'portion', readonly window: number, readonly key: Key }
  | { readonly do: 'mutate', readonly key: Key, readonly amount: number, readonly set: boolean }
  | { readonly do: 'forget', readonly key: Key }
  | { readonly do: 'timer', readonly key: Key, readonly time: number }
  | { readonly do: 'unset', readonly key: Key, readonly time: number }
  | { readonly do: 'fire', readonly until: number }
  | { readonly do: 'send', readonly batch: number } | { readonly do: 'deliver', readonly batch: number }
  | { readonly do: 'commit' } | { readonly do: 'undo' } | { readonly do: 'walk' } | { readonly do: 'slice' } | { readonly do: 'finish' } | { readonly do: 'seal' }

const key = fc.constantFrom(...KEYS)
const small = fc.nat({ max: 5 })
const change: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ do: fc.constant('add' as const), window: small, key, amount: fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })) }),
  fc.record({ do: fc.constant('close' as const), window: small }),
  fc.record({ do: fc.constant('portion' as const), window: small, key }),
  fc.record({ do: fc.constant('mutate' as const), key, amount: small, set: fc.boolean() }),
  fc.record({ do: fc.constant('forget' as const), key }),
  fc.record({ do: fc.constant('timer' as const), key, time: small }),
  fc.record({ do: fc.constant('unset' as const), key, time: small }),
  fc.record({ do: fc.constant('fire' as const), until: small }),
  fc.record({ do: fc.constantFrom('send' as const, 'deliver' as const), batch: small }),
)
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: change },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('commit' as const, 'commit' as const, 'undo' as const, 'walk' as const, 'slice' as const, 'finish' as const, 'seal' as const) }) },
)

const applyTo = ({ sums, values, timers, outbox, state }: Tables, model: Model, one: Action): void => {
  switch (one.do) {
    case 'add': {
      const group = sums.group(one.window)
      const row = sums.open(group, one.key)
      const { numbers } = group
      numbers[row + 1] = (numbers[row + 1] as number) + 1
      numbers[row + 2] = (numbers[row + 2] as number) + one.amount
      const window = model.sums.get(one.window) ?? new Map<Key, [number, number]>()
      model.sums.set(one.window, window)
      const [count, sum] = window.get(one.key) ?? [0, 0]
      window.set(one.key, [count + 1, sum + one.amount])
      return
    }
    case 'close': {
      const group = sums.groups.get(one.window)
      if (group !== undefined) sums.dropGroup(group)
      model.sums.delete(one.window)
      return
    }
    case 'portion': {
      const group = sums.groups.get(one.window)
      if (group !== undefined) sums.delete(group, one.key)
      model.sums.get(one.window)?.delete(one.key)
      return
    }
    case 'mutate': {
      const cell = values.open(values.group(UNGROUPED), one.key)
      if (cell.has && !one.set) (cell.live as { list: number[] }).list.push(one.amount)
      else values.set(cell, { list: [...cell.has ? (cell.live as { list: number[] }).list : [], one.amount] })
      model.values.set(one.key, { list: [...model.values.get(one.key)?.list ?? [], one.amount] })
      return
    }
    case 'forget':
      values.delete(values.group(UNGROUPED), one.key)
      model.values.delete(one.key)
      return
    case 'timer':
      timers.set(one.key, one.time)
      model.timers.set(one.key, (model.timers.get(one.key) ?? new Set()).add(one.time))
      return
    case 'unset':
      timers.delete(one.key, one.time)
      model.timers.get(one.key)?.delete(one.time)
      return
    case 'fire': {
      const fired: number[] = []
      for (let timer = timers.due(one.until); timer !== undefined; timer = timers.due(one.until)) {
        fired.push(timer.time)
        timers.delete(timer.key, timer.time)
      }
      const due = [...model.timers.values()].flatMap((times) => [...times].filter((time) => time <= one.until)).sort((a, b) => a - b)
      expect(fired).toEqual(due)
      for (const times of model.timers.values()) for (const time of times) if (time <= one.until) times.delete(time)
      return
    }
    case 'send':
      if (outbox.has({ sink: 's', run: 1, batchId: one.batch })) return
      outbox.add({ sink: 's', run: 1, batchId: one.batch, records: [Buffer.from(`r${one.batch}`)] })
      model.outbox.set(`s ${one.batch}`, `r${one.batch}`)
      return
    case 'deliver':
      outbox.remove({ sink: 's', run: 1, batchId: one.batch })
      model.outbox.delete(`s ${one.batch}`)
      return
    case 'seal':
      state.seal()
  }
}

const keyOrder = ([a]: readonly [Key, unknown], [b]: readonly [Key, unknown]): number => `${typeof a} ${a}` < `${typeof b} ${b}` ? -1 : 1

const contents = ({ sums, values, timers, outbox }: Tables): unknown => ({
  sums: [...sums.groups].filter(([, group]) => group.entries.size > 0).sort(([a], [b]) => a - b).map(([id, group]) => [id, [...group.entries].map(([k, row]) => [k, [...group.numbers.subarray(row + 1, row + 1 + sums.width)]] as const).sort(keyOrder)]),
  values: [...values.groups.get(UNGROUPED)?.entries ?? []].map(([k, cell]) => [k, values.peek(cell)] as const).sort(keyOrder),
  timers: [...timers.groups.get(UNGROUPED)?.entries ?? []].filter(([, times]) => times.length > 1).map(([k, times]) => [k, times.slice(1)] as const).sort(keyOrder),
  outbox: outbox.list().map((entry) => [`${entry.sink} ${entry.batchId}`, entry.records.map(String).join()]).sort(),
})
const modelContents = (model: Model): unknown => ({
  sums: [...model.sums].filter(([, window]) => window.size > 0).sort(([a], [b]) => a - b).map(([id, window]) => [id, [...window].sort(keyOrder)]),
  values: [...model.values].sort(keyOrder),
  timers: [...model.timers].filter(([, times]) => times.size > 0).map(([k, times]) => [k, [...times].sort((a, b) => a - b)] as const).sort(keyOrder),
  outbox: [...model.outbox].sort(),
})

const emptyModel = (): Model => ({ sums: new Map(), values: new Map(), timers: new Map(), outbox: new Map() })

describe('task state', () => {
  test('random batches, undos and walks: equal to a plain model, to a replay of its images, and to each snapshot at its moment', () => {
    fc.assert(fc.property(fc.array(action, { maxLength: 120, size: 'max' }), fc.integer({ min: 1, max: 200 }), (actions, sliceBytes) => {
      const tables = makeState()
      const replica = makeState()
      let [committed, open] = [emptyModel(), emptyModel()]
      let walk: { readonly blocks: Buffer[], done: boolean, readonly it: ReturnType<TaskState['startWalk']> } | undefined
      for (const one of [...actions, { do: 'commit' } as const]) {
        switch (one.do) {
          case 'commit':
            tables.state.seal()
            replica.state.apply(tables.state.images())
            tables.state.commit()
            committed = copy(open)
            expect(contents(tables)).toEqual(modelContents(committed))
            expect(replica.state.hash()).toBe(tables.state.hash())
            expect(replica.state.keys).toBe(tables.state.keys)
            expect(replica.state.bytes).toBe(tables.state.bytes)
            break
          case 'undo':
            tables.state.undo()
            open = copy(committed)
            expect(contents(tables)).toEqual(modelContents(committed))
            expect(tables.state.bytes).toBe(replica.state.bytes)
            break
          case 'walk':
            walk ??= { blocks: [], done: false, it: tables.state.startWalk() }
            break
          case 'slice': {
            const block = walk?.it.next(sliceBytes)
            if (block !== undefined) walk?.blocks.push(block)
            else if (walk !== undefined) walk.done = true
            break
          }
          case 'finish': {
            if (walk === undefined || tables.state.changed) break
            for (let block = walk.it.next(sliceBytes); block !== undefined; block = walk.it.next(sliceBytes)) walk.blocks.push(block)
            const { block, keys } = walk.it.finish()
            const restored = makeState()
            for (const each of [...walk.blocks, block]) restored.state.apply(each)
            expect(contents(restored)).toEqual(modelContents(committed))
            expect(restored.state.hash()).toBe(tables.state.hash())
            expect(keys).toBe(restored.state.keys)
            walk = undefined
            break
          }
          default:
            applyTo(tables, open, one)
        }
      }
    }), { numRuns: 600 })
  })

  test('walk: completed while a batch is open it refuses (S9), continued after its end too (S2)', () => {
    const { state, sums } = makeState()
    const walk = state.startWalk()
    expect(walk.next(100)).toBeUndefined()
    sums.open(sums.group(1), 'a')
    expect(() => walk.finish()).toThrow('invariant S9')
    state.undo()
    walk.finish()
    expect(() => walk.next(100)).toThrow('invariant S2')
    const abandoned = state.startWalk()
    state.abandonWalk()
    expect(() => abandoned.next(100)).toThrow('invariant S2')
  })

  test('walk: completed before every key was visited it refuses (S1)', () => {
    const { state, sums } = makeState()
    for (const key of ['a', 'b', 'c']) sums.open(sums.group(1), key)
    state.commit()
    const walk = state.startWalk()
    expect(walk.next(1)).toBeDefined()
    expect(() => walk.finish()).toThrow('invariant S1')
  })

  test('a window that opens and closes within one batch leaves nothing; one that was there is one change', () => {
    const { state, sums } = makeState()
    for (let i = 0; i < 1_000; i += 1) sums.open(sums.group(1), `k${i}`)
    const before = state.images().length
    state.commit()
    sums.dropGroup(sums.group(1))
    for (let i = 0; i < 1_000; i += 1) sums.open(sums.group(2), `k${i}`)
    sums.dropGroup(sums.group(2))
    const images = state.images()
    expect(before).toBeGreaterThan(4_000)
    expect(images.length).toBeLessThan(20)
    state.commit()
    expect(state.keys).toBe(0)
  })

  test('images of an operator that is not in the job are refused', () => {
    const { state, sums } = makeState()
    sums.open(sums.group(1), 'a')
    expect(() => new TaskState().apply(state.images())).toThrow('"sums"')
  })

  test('values: Map, Set, Date, bigint and bytes come back as they were; a property named __proto__ is refused', () => {
    const { state, values } = makeState()
    const value = { map: new Map([[1, 'x']]), set: new Set(['y']), at: new Date(5), big: 2n ** 70n, bytes: Buffer.from([1, 255]), none: undefined, text: '__proto__' }
    values.set(values.open(values.group(UNGROUPED), 'k'), value)
    state.seal()
    state.commit()
    expect(values.open(values.group(UNGROUPED), 'k').live).toEqual(value)
    state.undo()
    values.set(values.open(values.group(UNGROUPED), 'k'), JSON.parse('{"a":{"__proto__":1}}'))
    expect(() => state.seal()).toThrow('__proto__')
  })
})
