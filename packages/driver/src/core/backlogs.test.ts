// When the writers of a shuffle are paused, for how long, and that they go on.
import { describe, expect, test } from '@jest/globals'
import type { DriverCommand } from './protocol.ts'
import { isTooFar } from './backlogs.ts'
import { Cluster, ofKind, runRecord } from './cluster.sample.ts'

const MIB = 1024 * 1024

/** Two tasks that write a shuffle, on west, and two that read it, on east; the bound is 1 MiB. */
const begin = (): { readonly cluster: Cluster, readonly behind: (partition: number, bytes: number | undefined) => DriverCommand[], readonly wrote: (tailBytes: number, phase?: 'taking-over') => DriverCommand[] } => {
  const cluster = new Cluster()
  cluster.join('west')
  cluster.join('east')
  cluster.start(runRecord({ tasks: 2, shuffle: true }))
  for (const label of ['west', 'east']) cluster.runs(label)
  const behind = (partition: number, bytes: number | undefined): DriverCommand[] => {
    const label = ['west', 'east'].find((one) => cluster.tasksOn(one).some(({ ref }) => ref.stage === 's1' && ref.partition === partition)) ?? ''
    const found = cluster.tasksOn(label).find(({ ref }) => ref.stage === 's1' && ref.partition === partition)
    if (found === undefined) throw new Error(`nobody runs s1-${partition}`)
    const inputs = [{ input: 's0-n1', topic: 't', partition, next: 5, stable: 9, ...(bytes === undefined ? {} : { behindBytes: bytes }) }]
    const told = cluster.says(label, { kind: 'heartbeat', sequence: 0, logs: [], tasks: [{ task: found.ref, generation: found.generation, phase: 'running', inputs, batchId: 1, stateKeys: 0, stateBytes: 0, totals: {} }] })
    return [...told, ...cluster.pass(100, ['west', 'east'])]
  }
  const wrote = (tailBytes: number, phase: 'running' | 'taking-over' = 'running'): DriverCommand[] => {
    const writers = cluster.tasksOn('west').filter(({ ref }) => ref.stage === 's0')
    const tasks = writers.map(({ ref, generation }) => ({ task: ref, generation, phase, inputs: [], batchId: 1, stateKeys: 0, stateBytes: 0, totals: {}, tail: { batches: 1, bytes: tailBytes } }))
    return [...cluster.says('west', { kind: 'heartbeat', sequence: 0, logs: [], tasks }), ...cluster.pass(100, ['west'])]
  }
  return { cluster, behind, wrote }
}
const pauses = (cluster: Cluster, among?: readonly DriverCommand[]): { readonly tasks: string[], readonly forMs: number, readonly reason: string }[] =>
  ['west', 'east'].flatMap((label) => cluster.told(label, 'pause', among)).map(({ tasks, forMs, reason }) => ({ tasks: tasks.map(({ stage, partition }) => `${stage}-${partition}`).toSorted(), forMs, reason }))
const pausedTasks = (cluster: Cluster, among?: readonly DriverCommand[]): string[] => pauses(cluster, among).flatMap(({ tasks }) => tasks).toSorted()

describe('backlog of a shuffle', () => {
  test('above the bound → too far; then until half of it', () => {
    expect([isTooFar(false, MIB, MIB), isTooFar(false, MIB + 1, MIB), isTooFar(true, MIB / 2 + 1, MIB), isTooFar(true, MIB / 2, MIB)]).toEqual([false, true, true, false])
  })

  test('one reader is behind → all that write the shuffle are paused, nobody else; it is said, and said again; at half of it they go on', () => {
    const { cluster, behind } = begin()
    expect(pauses(cluster, behind(0, MIB))).toEqual([])
    const over = behind(0, 3 * MIB)
    expect(pausedTasks(cluster, over)).toEqual(['s0-0', 's0-1'])
    expect(pauses(cluster, over)[0]).toMatchObject({ forMs: 5_000, reason: 'paused: shuffle s0-n1 is 3 MiB behind' })
    expect(cluster.eventNames(over)).toContain('shuffle.paused')
    behind(1, 0)
    const still = [...behind(0, 0.8 * MIB), ...cluster.pass(2_000, ['west', 'east'])]
    expect(pauses(cluster, still).every(({ forMs }) => forMs === 5_000)).toBe(true)
    expect(pauses(cluster, still).length).toBeGreaterThan(0)
    expect(cluster.eventNames(still)).not.toContain('shuffle.paused')
    const free = behind(0, 0.4 * MIB)
    expect([pausedTasks(cluster, free), pauses(cluster, free).map(({ forMs }) => forMs).every((ms) => ms === 0), cluster.eventNames(free)]).toEqual([['s0-0', 's0-1'], true, expect.arrayContaining(['shuffle.resumed'])])
    expect(pauses(cluster, cluster.pass(3_000, ['west', 'east']))).toEqual([])
  })

  test('a new owner of the reader does not know yet how far it is → what was known before counts', () => {
    const { cluster, behind } = begin()
    behind(0, 3 * MIB)
    expect(cluster.eventNames(behind(0, undefined))).not.toContain('shuffle.resumed')
    expect(cluster.eventNames(behind(0, 0))).toContain('shuffle.resumed')
  })

  test('a reader has no owner, or one that does not know yet → it falls behind by what its writers commit; their snapshots change nothing; the first word of its owner counts', () => {
    const { cluster, behind, wrote } = begin()
    const lost = cluster.tasksOn('east').find(({ ref }) => ref.stage === 's1')?.ref.partition ?? -1
    wrote(5 * MIB)
    behind(0, 0)
    behind(1, 0)
    cluster.breaks('east', true)
    for (const tailBytes of [6 * MIB, 0, 0.4 * MIB]) expect(cluster.eventNames(wrote(tailBytes))).not.toContain('shuffle.paused')
    const over = wrote(0.6 * MIB)
    expect(ofKind(over, 'event').map(({ event }) => event.message)).toContain(`s1-${lost} is 1 MiB behind in shuffle s0-n1: stage s0 pauses`)
    cluster.runs('west')
    expect(cluster.eventNames(wrote(0.6 * MIB))).not.toContain('shuffle.resumed')
    expect(cluster.eventNames(behind(lost, 0))).toContain('shuffle.resumed')
  })

  test('new owners of the writers read their tails again → no reader falls behind by that', () => {
    const { cluster, behind, wrote } = begin()
    behind(0, 0)
    behind(1, 0)
    cluster.breaks('east', true)
    wrote(0)
    for (const tailBytes of [1, 4, 9]) expect(cluster.eventNames(wrote(tailBytes * MIB, 'taking-over'))).not.toContain('shuffle.paused')
    expect(cluster.eventNames(wrote(9 * MIB))).not.toContain('shuffle.paused')
    expect(cluster.eventNames(wrote(12 * MIB))).toContain('shuffle.paused')
  })
})
