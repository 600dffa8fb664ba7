// Random lives of a cluster: whatever happens in whatever order, the core keeps its invariants and in the end everything runs.
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { executorId, jobId, slotId, taskKey } from '@tidemark/base'
import { compareGenerations } from '@tidemark/checkpoint'
import type { Generation } from '@tidemark/checkpoint'
import { Cluster, ofKind, runRecord } from './cluster.sample.ts'

const LABELS = ['a', 'b', 'c'] as const
const JOBS = ['orders', 'second'] as const

const step = fc.oneof(
  fc.record({ kind: fc.constant('join' as const), label: fc.constantFrom(...LABELS), slots: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constantFrom('break' as const, 'refuse' as const, 'answer' as const, 'run' as const, 'release' as const, 'fail' as const, 'slot-dies' as const, 'drain' as const, 'leave' as const), label: fc.constantFrom(...LABELS), pick: fc.nat(20) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(50, 250, 1_000, 6_000), alive: fc.subarray([...LABELS]) }),
  fc.record({ kind: fc.constant('stand-still' as const), ms: fc.integer({ min: 500, max: 10_000 }) }),
  fc.record({ kind: fc.constantFrom('submit' as const, 'cancel' as const, 'cancelled' as const), job: fc.constantFrom(...JOBS) }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const act = (cluster: Cluster, runs: Map<string, number>, doing: Step): void => {
  switch (doing.kind) {
    case 'join': return void cluster.join(doing.label, doing.slots)
    case 'pass': return void cluster.pass(doing.ms, doing.alive)
    case 'stand-still':
      cluster.now += doing.ms
      return void cluster.event({ kind: 'tick' })
    case 'submit': {
      const state = cluster.core.job(doing.job)?.state
      if (state !== undefined && state !== 'cancelled') return
      const run = (runs.get(doing.job) ?? 0) + 1
      runs.set(doing.job, run)
      return cluster.start(runRecord({ job: doing.job, run, tasks: doing.job === 'orders' ? 5 : 2 }))
    }
    case 'cancel': return void cluster.event({ kind: 'cancel', job: jobId(doing.job) })
    case 'cancelled': return void cluster.event({ kind: 'run-cancelled', job: jobId(doing.job), run: runs.get(doing.job) ?? 0 })
    case 'break': return void cluster.breaks(doing.label)
    case 'refuse': return void cluster.event({ kind: 'probed', executor: executorId(doing.label), answer: { kind: 'refused', reason: 'x' } })
    case 'answer': return void cluster.event({ kind: 'probed', executor: executorId(doing.label), answer: { kind: 'identified', executor: executorId(doing.label) } })
    case 'run': return void cluster.runs(doing.label)
    case 'drain': return void cluster.says(doing.label, { kind: 'draining' })
    case 'leave': return void cluster.says(doing.label, { kind: 'leaving' })
    case 'release':
      for (const { ref, generation, phase } of cluster.tasksOn(doing.label)) if (phase === 'releasing') cluster.says(doing.label, { kind: 'released', task: ref, generation })
      return
    case 'slot-dies': {
      const slot = doing.pick % 3
      const tasks = cluster.tasksOn(doing.label).filter((one) => one.slot === slot).map(({ ref }) => ref)
      cluster.says(doing.label, { kind: 'slot-died', slot, slotId: slotId(`${doing.label}-p${slot}`), reason: 'x', transactionalIds: [], tasks })
      return void cluster.says(doing.label, { kind: 'slot-started', process: { slot, slotId: slotId(`${doing.label}-p${slot}`), pid: 1, pidStart: '1' } })
    }
    case 'fail': {
      const one = cluster.tasksOn(doing.label)[doing.pick]
      if (one) cluster.says(doing.label, { kind: 'failed', task: one.ref, generation: one.generation, error: { code: 'X', message: 'x', blame: 'environment', action: 'restart-task' } })
    }
  }
}

const check = (cluster: Cluster): void => {
  const jobOfSlot = new Map<string, string>()
  for (const label of LABELS) {
    for (const { ref, slot } of cluster.tasksOn(label)) {
      const key = `${label}/${slot}`
      const run = `${ref.job}/${ref.run}`
      if ((jobOfSlot.get(key) ?? run) !== run) throw new Error(`slot ${key} works for ${run} and ${jobOfSlot.get(key)}`)
      jobOfSlot.set(key, run)
    }
  }
}

describe('core', () => {
  test('any order of joins, deaths, hangs, drains, moves, failures and cancellations → generations grow, one job a slot, everything runs in the end', () => {
    fc.assert(fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), fc.boolean(), (steps, slotsGetReady) => {
      const cluster = new Cluster({ slotsGetReady })
      const runs = new Map<string, number>()
      for (const doing of steps) {
        act(cluster, runs, doing)
        check(cluster)
      }
      // From here on all is well: one executor stays and does what it is told.
      cluster.join('z', 3)
      for (const label of LABELS) cluster.says(label, { kind: 'leaving' })
      for (let round = 0; round < 80; round++) {
        cluster.pass(1_000, ['z'])
        cluster.runs('z')
        for (const { ref, generation, phase } of cluster.tasksOn('z')) if (phase === 'releasing') cluster.says('z', { kind: 'released', task: ref, generation })
      }
      for (const { job, state, tasks, tasksRunning } of cluster.core.list(cluster.now)) if (state === 'running') expect([job, tasksRunning]).toEqual([job, tasks])

      let last: Generation | undefined
      for (const command of ofKind(cluster.commands, 'send')) {
        if (command.message.kind !== 'assign') continue
        for (const { task, generation } of command.message.tasks) {
          if (last && compareGenerations(generation, last) <= 0) throw new Error(`${taskKey(task)} got ${JSON.stringify(generation)} after ${JSON.stringify(last)}`)
          last = generation
        }
      }
    }), { numRuns: 100 })
  })
})
