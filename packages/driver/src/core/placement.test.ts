import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { place, slotKey } from './placement.ts'
import type { JobDemand, Placement, SlotRef } from './placement.ts'

const slots = (sizes: Readonly<Record<string, number>>): SlotRef[] =>
  Object.entries(sizes).flatMap(([executor, count]) => Array.from({ length: count }, (_, slot) => ({ executor, slot })))
const demand = (job: string, count: number, on: (index: number) => SlotRef | undefined = () => undefined): JobDemand =>
  ({ job, tasks: Array.from({ length: count }, (_, index) => ({ task: `${job}-${index}`, on: on(index) })) })
const settle = (jobs: readonly JobDemand[], placement: Placement): JobDemand[] =>
  jobs.map(({ job, tasks }) => ({ job, tasks: tasks.map(({ task }) => ({ task, on: placement.targets.get(task) })) }))
const moves = (jobs: readonly JobDemand[], placement: Placement): number =>
  jobs.flatMap(({ tasks }) => tasks).filter(({ task, on }) => on !== undefined && placement.targets.get(task) !== undefined && slotKey(on) !== slotKey(placement.targets.get(task) as SlotRef)).length
const perExecutor = (placement: Placement): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { executor } of placement.targets.values()) counts[executor] = (counts[executor] ?? 0) + 1
  return counts
}

describe('placement', () => {
  test('a first job on two executors → even over executors and slots', () => {
    const placement = place([demand('a', 8)], slots({ x: 2, y: 2 }))
    expect(perExecutor(placement)).toEqual({ x: 4, y: 4 })
    expect(new Set([...placement.targets.values()].map(slotKey)).size).toBe(4)
  })
  test('more tasks than slots → the slots share them', () => {
    expect(place([demand('a', 5)], slots({ x: 1 })).targets.size).toBe(5)
  })
  test('no slot → no target', () => {
    expect(place([demand('a', 3)], []).targets.size).toBe(0)
  })
  test('where all else is equal → a slot that is ready for the job, then a fresh one, then one that is ready for another', () => {
    const [x0, x1, x2] = slots({ x: 3 }).map(slotKey)
    const chosen = (bound: ReadonlyMap<string | undefined, string>): string[] => [...place([demand('a', 1)], slots({ x: 3 }), bound as ReadonlyMap<string, string>).targets.values()].map(slotKey)
    expect(chosen(new Map([[x0, 'b'], [x2, 'a']]))).toEqual([x2])
    expect(chosen(new Map([[x0, 'b']]))).toEqual([x1])
    expect(chosen(new Map([[x0, 'b'], [x1, 'b'], [x2, 'b']]))).toEqual([x0])
  })
  test('an executor dies → only its tasks get another place', () => {
    const before = settle([demand('a', 6)], place([demand('a', 6)], slots({ x: 2, y: 2, z: 2 })))
    const orphaned = before.map(({ job, tasks }) => ({ job, tasks: tasks.map(({ task, on }) => ({ task, on: on?.executor === 'y' ? undefined : on })) }))
    const after = place(orphaned, slots({ x: 2, z: 2 }))
    expect(moves(orphaned, after)).toBe(0)
    expect(perExecutor(after)).toEqual({ x: 3, z: 3 })
  })
  test('an executor joins → it gets its share with as many moves and no more', () => {
    const before = settle([demand('a', 8)], place([demand('a', 8)], slots({ x: 2 })))
    const after = place(before, slots({ x: 2, y: 2 }))
    expect(perExecutor(after)).toEqual({ x: 4, y: 4 })
    expect(moves(before, after)).toBe(4)
  })
  test('a second job while the first has every slot → it gets slots of its own', () => {
    const first = settle([demand('a', 8)], place([demand('a', 8)], slots({ x: 2, y: 2 })))
    const after = place([...first, demand('b', 2)], slots({ x: 2, y: 2 }))
    const of = (job: string): Set<string> => new Set([...after.targets].filter(([task]) => task.startsWith(job)).map(([, ref]) => slotKey(ref)))
    expect(of('b').size).toBe(2)
    expect(of('a').intersection(of('b')).size).toBe(0)
  })
  test('more jobs than slots → the later ones wait', () => {
    const after = place([demand('a', 1), demand('b', 1), demand('c', 1)], slots({ x: 2 }))
    expect([...after.targets.keys()]).toEqual(['a-0', 'b-0'])
  })

  test('any cluster and any jobs → stable, even, one job a slot', () => {
    const arbitrary = fc.record({
      sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
      counts: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
      before: fc.array(fc.integer({ min: -1, max: 30 }), { minLength: 48, maxLength: 48 }),
    })
    fc.assert(fc.property(arbitrary, ({ sizes, counts, before }) => {
      const all = slots(Object.fromEntries(sizes.map((size, i) => [`e${i}`, size])))
      let next = 0
      // Where tasks were: anywhere, but one job a slot.
      const owners = new Map<string, string>()
      const jobs = counts.map((count, j) => demand(`j${j}`, count, () => {
        const ref = all[before[next++] ?? -1]
        if (!ref || (owners.get(slotKey(ref)) ?? `j${j}`) !== `j${j}`) return undefined
        owners.set(slotKey(ref), `j${j}`)
        return ref
      }))
      const placement = place(jobs, all)
      const used = new Map<string, string>()
      for (const { job, tasks } of jobs) {
        const load = new Map<string, number>()
        for (const { task } of tasks) {
          const ref = placement.targets.get(task)
          if (!ref) continue
          expect(used.get(slotKey(ref)) ?? job).toBe(job)
          used.set(slotKey(ref), job)
          load.set(slotKey(ref), (load.get(slotKey(ref)) ?? 0) + 1)
        }
        if (load.size > 0) expect(Math.max(...load.values()) - Math.min(...load.values())).toBeLessThanOrEqual(1)
      }
      expect(placement.targets.size).toBe(jobs.slice(0, Math.min(jobs.length, all.length)).reduce((sum, { tasks }) => sum + tasks.length, 0))
      const settled = settle(jobs, placement)
      expect(moves(settled, place(settled, all))).toBe(0)
    }), { numRuns: 500 })
  })
})
