// Whatever happens to a task (small batches, undone batches, crashes, snapshots while it changes), what it committed is what an undisturbed
// one commits: outputs, state, books.
import { describe, expect, test } from '@jest/globals'
import type { Append } from '@tidemark/base'
import type { CommitRecord } from '@tidemark/checkpoint'
import fc from 'fast-check'
import { aggregate, avg, count, job, json, max, min, sum, topic, topicSink, tumbling } from 'tidemark'
import type { Job } from 'tidemark'
import { stateHash } from './stage-task.ts'
import type { SnapshotWalk, Task } from './task.ts'
import { committedRecord, drain, feed, fixtureOf, ROOMY } from './task-fixture.ts'
import type { Sent } from './task-fixture.ts'

interface Reading {
  readonly id: string
  readonly v: number
  readonly at: number
}

const BOUND = 20

/** Every operator there is, several branches, one of them failing for some values before an effect, one after. */
const everything = (): Job => {
  const built = job('everything')
  const checked = built.source('in', topic('in', { value: json<Reading>(), timestamp: (reading) => reading.at, outOfOrderness: BOUND }))
    .map((reading) => {
      if (reading.v === 7) throw new Error('seven')
      return reading
    })
  const keyed = checked.keyBy((reading) => reading.id, { copartitioned: true })
  keyed.window(tumbling(10)).aggregate('flat', { n: count(), total: sum((one) => one.v), least: min((one) => one.v), most: max((one) => one.v), mean: avg((one) => one.v) }).sink('flat', topicSink('flat', { value: json() }))
  keyed.window(tumbling(15, { allowedLateness: 5 }))
    .aggregate('custom', { n: count(), all: aggregate({ initial: () => ({ values: new Array<number>() }), add: (acc, one: Reading) => { acc.values.push(one.v); return acc }, result: (acc) => acc.values.toSorted((a, b) => a - b) }) })
    .sink('custom', topicSink('custom', { value: json() }))
  keyed.process<unknown, Record<string, number>>('buckets', {
    state: () => ({}),
    onRecord(ctx, reading) {
      const end = Math.floor(reading.at / 25) * 25 + 25
      const buckets = ctx.state.get()
      buckets[`b${end}`] = (buckets[`b${end}`] ?? 0) + reading.v
      ctx.timers.set(end)
      if (reading.v === 9) throw new Error('nine')
    },
    onTimer(ctx, time) {
      const buckets = ctx.state.get()
      ctx.emit({ id: ctx.key, end: time, total: buckets[`b${time}`], luck: ctx.random() })
      delete buckets[`b${time}`]
      if (Object.keys(buckets).length === 0) ctx.state.delete()
    },
  }).sink('buckets', topicSink('buckets', { value: json() }))
  checked.filter((reading) => reading.v % 2 === 0).keyBy((reading) => reading.id, { copartitioned: true })
    .reduce('evens', (acc, one) => Object.assign(acc, { v: acc.v + one.v })).sink('evens', topicSink('evens', { value: json() }))
  return built
}

const KEYS = ['a', 'b', 'c', '__proto__', 'é']
/** Out of order by less than the bound, so nothing is late however it is batched. */
const readings = fc.array(fc.record({ key: fc.constantFrom(...KEYS), v: fc.nat({ max: 12 }), step: fc.nat({ max: 6 }), behind: fc.nat({ max: BOUND - 1 }) }), { minLength: 1, maxLength: 80, size: 'max' })
  .map((list): Sent[] => {
    let newest = 1_000
    return [...list.map(({ key, v, step, behind }) => {
      newest += step
      return { key, value: { id: key, v, at: newest - behind } }
    }), ...KEYS.slice(0, 1).map((key) => ({ key, value: { id: key, v: 1, at: newest + 1_000 } }))]
  })

const sortedOutputs = (appends: readonly Append[]): string[] =>
  appends.flatMap((append) => append.records.map((one) => `${append.topic} ${one.key} ${one.value} ${one.timestamp} ${one.headers === undefined ? '' : JSON.stringify(Object.entries(one.headers).map(([name, value]) => [name, String(value)]))}`)).sort()

type Action = { readonly do: 'feed', readonly records: number } | { readonly do: 'work', readonly outputBytesMax: number, readonly end: 'commit' | 'undo' | 'undo frozen' | 'nothing' }
  | { readonly do: 'crash' | 'walk' | 'slice' | 'finish' }
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('feed' as const), records: fc.nat({ max: 12 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('work' as const), outputBytesMax: fc.constantFrom(1, 200, 1_000_000), end: fc.constantFrom('commit' as const, 'commit' as const, 'undo' as const, 'undo frozen' as const, 'nothing' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('crash' as const, 'walk' as const, 'walk' as const, 'slice' as const, 'finish' as const, 'finish' as const) }) },
)

interface Snapshot {
  readonly blocks: readonly Buffer[]
  readonly content: ReturnType<Task['content']>
}

/** One task's life: its owners, what is durable of it. */
class Life {
  readonly #fixture = fixtureOf(everything())
  readonly #input: readonly Sent[]
  readonly journal: CommitRecord[] = []
  readonly appends: Append[] = []
  /** State by snapshot and journal, and the task's own, at each snapshot. */
  readonly snapshots: (readonly [string, string])[] = []
  task: Task
  #snapshot: Snapshot | undefined
  #walk: { readonly it: SnapshotWalk, readonly blocks: Buffer[] } | undefined
  #open = false

  constructor(input: readonly Sent[]) {
    this.#input = input
    this.task = this.#fixture.task(0)
  }

  heir(): Task {
    const heir = this.#fixture.task(0)
    if (this.#snapshot !== undefined) heir.loadSnapshot(this.#snapshot.blocks, this.#snapshot.content)
    for (const record of this.journal) if (record.content.batchId > heir.batchId) heir.apply(record)
    return heir
  }

  feed(records: number): void {
    const from = this.task.fetchFrom('n0', 'in', 0)
    feed(this.task, this.#input.slice(from, from + records))
  }

  work(outputBytesMax: number, end: 'commit' | 'undo' | 'undo frozen' | 'nothing'): void {
    this.task.work({ ...ROOMY, outputBytesMax }, 2_000)
    this.#open = true
    if (end === 'nothing') return
    if (end === 'undo') this.task.undo()
    else {
      const frozen = this.task.freeze()
      if (end === 'undo frozen') this.task.undo()
      else {
        this.journal.push(committedRecord(this.task, frozen))
        this.appends.push(...frozen.appends)
        this.task.committed()
      }
    }
    this.#open = false
    if (end !== 'commit') this.#walk = undefined
  }

  crash(): void {
    this.task = this.heir()
    this.#walk = undefined
    this.#open = false
  }

  walk(): void {
    this.#walk ??= { it: this.task.startWalk(), blocks: [] }
  }

  slice(): boolean {
    const block = this.#walk?.it.next(50)
    if (block !== undefined) this.#walk?.blocks.push(block)
    return block !== undefined
  }

  finish(): void {
    if (this.#walk === undefined || this.#open) return
    while (this.slice());
    this.#snapshot = { blocks: [...this.#walk.blocks, this.#walk.it.finish().block], content: this.task.content() }
    this.#walk = undefined
    this.snapshots.push([stateHash(this.heir()), stateHash(this.task)])
  }
}

describe('a disturbed task', () => {
  test('commits what an undisturbed one does: outputs, state, books', () => {
    fc.assert(fc.property(readings, fc.array(action, { maxLength: 60, size: 'max' }), (input, actions) => {
      const life = new Life(input)
      for (const one of actions) {
        if (one.do === 'feed') life.feed(one.records)
        else if (one.do === 'work') life.work(one.outputBytesMax, one.end)
        else life[one.do]()
      }
      life.task.undo()
      life.feed(input.length)
      const rest = drain(life.task, { now: 2_000 })
      life.journal.push(...rest.records)
      life.appends.push(...rest.appends)
      for (const [restored, own] of life.snapshots) expect(restored).toBe(own)
      expect(life.task.failure).toBeUndefined()

      const oracle = fixtureOf(everything()).task(0)
      feed(oracle, input)
      const undisturbed = drain(oracle, { now: 2_000 })
      const evens = (outputs: readonly string[]): string[] => outputs.filter((line) => line.startsWith('evens'))
      const [got, expected] = [sortedOutputs(life.appends), sortedOutputs(undisturbed.appends)]
      expect(got).toEqual(expected)
      expect(evens(got).length).toBe(input.filter((one) => { const { v } = one.value as Reading; return v % 2 === 0 }).length)
      expect(stateHash(life.task)).toBe(stateHash(oracle))
      expect(stateHash(life.heir())).toBe(stateHash(oracle))
      expect(life.task.content().totals).toEqual(oracle.content().totals)
      expect(life.task.watermark).toBe(oracle.watermark)
      expect(life.task.content().positions).toEqual(oracle.content().positions)
    }), { numRuns: 150 })
  })
})
