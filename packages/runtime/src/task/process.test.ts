// Process handlers: timers, state, and what repeats when a record is processed again.
import { describe, expect, test } from '@jest/globals'
import { FramedCommit } from '@tidemark/checkpoint'
import { job, json, topic, topicSink } from 'tidemark'
import type { Job, ProcessHandler } from 'tidemark'
import { stateHash } from './stage-task.ts'
import { drain, feed, fixtureOf, ROOMY, valuesIn } from './task-fixture.ts'
import type { Sent } from './task-fixture.ts'

interface Click {
  readonly user: string
  readonly page: string
}

const jobOf = <S>(handler: ProcessHandler<string, Click, unknown, S>): Job => job('clicks')
  .source('in', topic('in', { value: json<Click>(), outOfOrderness: 0 }))
  .keyBy((click) => click.user, { copartitioned: true })
  .process<unknown, S>('handler', handler)
  .sink('out', topicSink('out', { value: json() }))

const click = (user: string, timestamp: number, page = 'p'): Sent => ({ key: user, value: { user, page }, timestamp })

/** Emits how many clicks of a user there were when none came for 10 ms. */
const sessions = (): Job => jobOf<{ clicks: number, until: number }>({
  state: () => ({ clicks: 0, until: 0 }),
  onRecord(ctx) {
    const state = ctx.state.get()
    ctx.timers.delete(state.until)
    state.clicks += 1
    state.until = ctx.timestamp + 10
    ctx.timers.set(state.until)
    ctx.state.set(state)
  },
  onTimer(ctx, time) {
    ctx.emit({ user: ctx.key, clicks: ctx.state.get().clicks, time, timestamp: ctx.timestamp, now: ctx.now })
    ctx.state.delete()
  },
})

describe('process', () => {
  test('timers: fire once, in order of time, when the watermark reaches them; outputs get their time', () => {
    const task = fixtureOf(sessions()).task(0)
    feed(task, [click('b', 1), click('a', 0), click('a', 5), click('c', 9)])
    expect(drain(task).appends).toEqual([])
    feed(task, [click('d', 15)])
    const { appends } = drain(task, { now: 20 })
    expect(valuesIn(appends, 'out')).toEqual([
      { user: 'b', clicks: 1, time: 11, timestamp: 11, now: 11 },
      { user: 'a', clicks: 2, time: 15, timestamp: 15, now: 15 },
    ])
    expect(appends[0]?.records.map((record) => [record.key, record.timestamp])).toEqual([['b', 11], ['a', 15]])
  })

  test('timers: while they fire the watermark is the one that they fire for, also of the first', () => {
    const seen: (readonly [number, number | undefined])[] = []
    const task = fixtureOf(jobOf<null>({
      state: () => null,
      onRecord: (ctx) => { ctx.timers.set(ctx.timestamp + 1) },
      onTimer: (ctx, time) => { seen.push([time, ctx.watermark]) },
    })).task(0)
    feed(task, [click('a', 1), click('b', 7), click('c', 20)])
    drain(task)
    feed(task, [click('d', 40)])
    drain(task)
    expect(seen).toEqual([[2, 20], [8, 20], [21, 40]])
  })

  test('timers: one that is set for a time that no log takes → it fires at once, its output has the earliest that one does', () => {
    const built = job('early').source('in', topic('in', { value: json<{ user: string }>(), outOfOrderness: 0 })).keyBy((value) => value.user, { copartitioned: true })
      .process<string, null>('timers', { state: () => null, onRecord: (ctx) => ctx.timers.set(-1e20), onTimer: (ctx) => ctx.emit(ctx.key) }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [{ key: 'a', value: { user: 'a' }, timestamp: 5 }])
    expect(drain(task, { now: 20 }).appends.flatMap(({ records }) => records)).toEqual([{ key: 'a', value: '"a"', timestamp: -8.64e15 }])
  })

  test('timers: a new owner, from journal or snapshot, fires the same', () => {
    const fixture = fixtureOf(sessions())
    const task = fixture.task(0)
    feed(task, [click('b', 1), click('a', 0), click('a', 5), click('c', 9)])
    const { records } = drain(task)
    const walk = task.startWalk()
    const blocks: Buffer[] = []
    for (let block = walk.next(10); block !== undefined; block = walk.next(10)) blocks.push(block)
    blocks.push(walk.finish().block)
    const [byJournal, byFrames, bySnapshot] = [fixture.task(0), fixture.task(0), fixture.task(0)]
    for (const record of records) byJournal.apply(record)
    expect([...byFrames.applying(records.map((record) => new FramedCommit(record, record.content, () => record)))]).toHaveLength(records.length)
    bySnapshot.loadSnapshot(blocks, task.content())
    for (const heir of [byJournal, byFrames, bySnapshot]) expect([stateHash(heir), heir.content()]).toEqual([stateHash(task), task.content()])
    const results = [task, byJournal, byFrames, bySnapshot].map((one) => {
      feed(one, [click('d', 100)])
      return valuesIn(drain(one).appends, 'out')
    })
    expect(results[1]).toEqual(results[0])
    expect(results[2]).toEqual(results[0])
    expect(results[3]).toEqual(results[0])
    expect(results[0]?.length).toBe(3)
  })

  test('timers: an undone batch leaves them as they were', () => {
    const fixture = fixtureOf(sessions())
    const task = fixture.task(0)
    feed(task, [click('a', 0)])
    drain(task)
    const before = stateHash(task)
    feed(task, [click('a', 5), click('b', 50)])
    task.work(ROOMY, 0)
    expect(stateHash(task)).not.toBe(before)
    task.undo()
    expect(stateHash(task)).toBe(before)
    expect(valuesIn(drain(task).appends, 'out')).toEqual([{ user: 'a', clicks: 2, time: 15, timestamp: 15, now: 15 }])
  })

  test('timers: more than a batch takes fire in portions, the watermark moves with the last', () => {
    const task = fixtureOf(sessions()).task(0)
    feed(task, [...Array.from({ length: 50 }, (_, i) => click(`u${i}`, i % 7)), click('z', 1_000)])
    const { appends, records } = drain(task, { budget: { ...ROOMY, outputBytesMax: 500 } })
    expect(valuesIn(appends, 'out').length).toBe(50)
    expect(records.length).toBeGreaterThan(5)
    expect(records.map((record) => record.content.watermark)).toEqual([...records.slice(0, -1).map(() => undefined), 1_000])
  })

  test('timers: one that fails is set aside, with all it did; the others fire', () => {
    const task = fixtureOf(jobOf<number>({
      state: () => 0,
      onRecord: (ctx) => ctx.timers.set(ctx.timestamp + 10),
      onTimer: (ctx) => {
        ctx.state.set(1)
        ctx.emit(ctx.key)
        if (ctx.key === 'b') throw new Error('no')
      },
    })).task(0)
    feed(task, [click('a', 1), click('b', 2), click('c', 3), click('z', 100)])
    const { appends } = drain(task)
    expect(valuesIn(appends, 'out')).toEqual(['a', 'c'])
    expect(valuesIn(appends, 'clicks.dead-letters')).toEqual([{ key: 'b', timer: 12 }])
    feed(task, [click('z', 200)])
    expect(valuesIn(drain(task).appends, 'out')).toEqual(['z'])
  })

  test('state: changed in place without set counts, only looked at does not, and no batch that was undone is seen', () => {
    const task = fixtureOf(jobOf<{ n: number, pages: string[] }>({
      state: () => ({ n: 0, pages: [] }),
      onRecord(ctx, value) {
        const state = ctx.state.get()
        if (value.page === 'look') return
        state.n += 1
        state.pages.push(value.page)
        ctx.emit(state)
      },
    })).task(0)
    feed(task, [click('a', 1, 'look')])
    drain(task)
    expect(task.stateKeys).toBe(0)
    feed(task, [click('a', 1, 'x')])
    drain(task)
    feed(task, [click('a', 1, 'y'), click('a', 1, 'z')])
    task.work(ROOMY, 0)
    task.undo()
    expect(valuesIn(drain(task).appends, 'out')).toEqual([{ n: 2, pages: ['x', 'y'] }, { n: 3, pages: ['x', 'y', 'z'] }])
  })

  test('state: a value that another branch\'s reducer changes in place does not change here', () => {
    const built = job('clicks')
    const keyed = built.source('in', topic('in', { value: json<{ user: string, n: number }>() })).keyBy((value) => value.user, { copartitioned: true })
    keyed.reduce('mutating', (acc, value) => Object.assign(acc, { n: acc.n + value.n })).sink('sums', topicSink('sums', { value: json() }))
    keyed.process<unknown, { n: number } | undefined>('first', { onRecord(ctx, value) {
      if (ctx.state.get() === undefined) ctx.state.set(value)
      ctx.emit(ctx.state.get()?.n)
    } }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [1, 2, 3].map((n) => ({ key: 'a', value: { user: 'a', n } })))
    const { appends } = drain(task)
    expect(valuesIn(appends, 'out')).toEqual([1, 1, 1])
    expect(valuesIn(appends, 'sums').map((result) => (result as { value: { n: number } }).value.n)).toEqual([1, 3, 6])
  })

  test('state: what a reducer behind which it stands changes in place later does not change here', () => {
    const built = job('clicks')
    built.source('in', topic('in', { value: json<{ user: string, n: number }>() })).keyBy((value) => value.user, { copartitioned: true })
      .reduce('mutating', (acc, value) => Object.assign(acc, { n: acc.n + value.n }))
      .keyBy((result) => result.key, { copartitioned: true })
      .process<unknown, { n: number } | undefined>('first', { onRecord(ctx, result) {
        if (ctx.state.get() === undefined) ctx.state.set(result.value)
        ctx.emit([ctx.state.get()?.n, result.value.n])
      } }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [1, 2, 3].map((n) => ({ key: 'a', value: { user: 'a', n } })))
    expect(valuesIn(drain(task).appends, 'out')).toEqual([[1, 1], [1, 3], [1, 6]])
  })

  test('state: delete, then get, begins anew', () => {
    const task = fixtureOf(jobOf<number>({ state: () => 10, onRecord: (ctx) => { ctx.state.set(ctx.state.get() + 1); ctx.emit(ctx.state.get()); ctx.state.delete(); ctx.emit(ctx.state.get()) } })).task(0)
    feed(task, [click('a', 1), click('a', 1)])
    expect(valuesIn(drain(task).appends, 'out')).toEqual([11, 10, 11, 10])
    expect(task.stateKeys).toBe(0)
  })

  test('random, uuid, now: repeat when the record is processed again, differ between records, follow from job and position', () => {
    const fixture = fixtureOf(jobOf<undefined>({ onRecord: (ctx) => ctx.emit([ctx.random(), ctx.random(), ctx.uuid(), ctx.now]) }))
    const values = (): unknown[] => {
      const task = fixture.task(0)
      feed(task, [click('a', 1), click('a', 2)])
      task.work(ROOMY, 0)
      task.freeze()
      task.undo()
      return valuesIn(drain(task).appends, 'out')
    }
    const [first, second] = [values(), values()]
    expect(second).toEqual(first)
    const [[one, two, uuid, now], [other]] = first as [[number, number, string, number], [number]]
    expect(new Set([one, two, other]).size).toBe(3)
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(now).toBe(1)
  })

  test('random, uuid: a record that becomes several values without a shuffle → another one at each call, in each operator; the same again after an undo, and however records are batched', () => {
    const built = job('clicks').source('in', topic('in', { value: json<Click>() })).flatMap((value) => [value, value, value]).keyBy((value) => value.user, { copartitioned: true })
      .process<string[]>('first', { onRecord: (ctx) => { for (let i = 0; i < 2; i += 1) ctx.emit([ctx.key, ctx.uuid(), String(ctx.random())]) } })
      .keyBy(([user]) => String(user), { copartitioned: true })
      .process<string[]>('second', { onRecord: (ctx, [, ...rolled]) => ctx.emit([...rolled, ctx.uuid(), String(ctx.random())]) })
      .sink('out', topicSink('out', { value: json() }))
    const fixture = fixtureOf(built)
    const rolls = (size: number): unknown[] => {
      const task = fixture.task(0)
      const clicks = [click('a', 1), click('b', 2)]
      return [0, 1].filter((at) => at % size === 0).flatMap((at) => {
        feed(task, clicks.slice(at, at + size))
        task.work(ROOMY, 0)
        task.undo()
        return valuesIn(drain(task).appends, 'out')
      })
    }
    const all = rolls(2)
    expect(all).toHaveLength(12)
    expect(new Set(all.flat())).toHaveProperty('size', 48)
    expect(rolls(1)).toEqual(all)
  })

  test('random, uuid: timers of 1 and of \'1\' for the same time → another one each, they are two keys', () => {
    const built = job('clicks').source('in', topic('in', { value: json<number | string>(), outOfOrderness: 0 })).keyBy((value) => value, { copartitioned: true })
      .process<string>('later', { onRecord: (ctx) => ctx.timers.set(5), onTimer: (ctx) => ctx.emit(ctx.uuid()) }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [1, '1'].map((value) => ({ key: '1', value, timestamp: 5 })))
    const rolled = valuesIn(drain(task, { now: 20 }).appends, 'out')
    expect(rolled).toHaveLength(2)
    expect(new Set(rolled)).toHaveProperty('size', 2)
  })

  test('a context that is kept is refused, and an error behind emit is not the handler\'s to swallow', () => {
    let kept: { emit(out: unknown): void } | undefined
    const built = job('clicks').source('in', topic('in', { value: json<Click>() })).keyBy((value) => value.user, { copartitioned: true })
      .process<string>('handler', { onRecord: (ctx, value) => {
        kept = ctx
        try {
          ctx.emit(value.page)
        } catch {
          // what a careless handler does
        }
      } }).map((page) => {
        if (page === 'bad') throw new Error('bad page')
        return page
      }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [click('a', 1, 'ok'), click('a', 2, 'bad')])
    const { records } = drain(task)
    expect(records.at(-1)?.content.totals).toMatchObject({ records: 2, folded: 1, deadLettered: 1 })
    expect(() => kept?.emit('later')).toThrow('after its call had returned')
  })
})
