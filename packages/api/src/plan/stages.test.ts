// cutStages and planHash.
import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { count, job, json, stdoutSink, topic, topicSink } from '../index.ts'
import type { Job, LogicalPlan } from '../index.ts'
import { planHash } from './hash.ts'
import { cutStages, stagePartitions } from './stages.ts'

interface Event {
  readonly user: string
  readonly country: string
}
const events = topic('events', { value: json<Event>() })

/** Two sources; the first with a branch before the shuffle, two operators behind one shuffle, and a second shuffle behind one of them. */
const branched = (): Job => {
  const built = job('branched')
  const all = built.source('events', events)
  all.sink('raw', stdoutSink())
  const byUser = all.map((event) => event).keyBy((event) => event.user)
  byUser.aggregate('seen', { n: count() }).sink('seen', stdoutSink())
  byUser.reduce('last', (_, event) => event).map(({ value }) => value).keyBy((event) => event.country).aggregate('countries', { n: count() }).sink('countries', topicSink('countries', { value: json() }))
  return built.source('more', topic('more', { value: json<Event>() })).keyBy((event) => event.user, { copartitioned: true }).aggregate('more', { n: count() }).sink('more', stdoutSink())
}

describe('cutStages', () => {
  test('stages: a shuffling keyBy ends a stage, a copartitioned one does not, branches stay', () => {
    expect(cutStages(branched().plan())).toEqual({
      stages: [
        { id: 's0', inputs: [{ kind: 'source', node: 'n0' }], nodes: ['n0', 'n1', 'n2', 'n3'], shuffles: [{ shuffle: 's0-n3', keyBy: 'n3', to: 's2' }] },
        { id: 's1', inputs: [{ kind: 'source', node: 'n11' }], nodes: ['n11', 'n12', 'n13', 'n14'], shuffles: [] },
        { id: 's2', inputs: [{ kind: 'shuffle', shuffle: 's0-n3', from: 's0', keyBy: 'n3' }], nodes: ['n4', 'n5', 'n6', 'n7', 'n8'], shuffles: [{ shuffle: 's2-n8', keyBy: 'n8', to: 's3' }] },
        { id: 's3', inputs: [{ kind: 'shuffle', shuffle: 's2-n8', from: 's2', keyBy: 'n8' }], nodes: ['n9', 'n10'], shuffles: [] },
      ],
    })
  })

  test('stages: any job → each node in one stage, inputs before readers, shuffles written before they are read', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat()), { maxLength: 30 }), (steps) => {
      const built = job('any')
      const streams = [built.source('first', events)]
      steps.forEach(([step, from], index) => {
        const stream = streams[from % streams.length]
        if (stream === undefined) throw new Error('no stream')
        if (step === 0) streams.push(built.source(`o${index}`, events))
        else if (step === 1) streams.push(stream.map((event) => event))
        else streams.push(stream.keyBy((event) => event.user, { copartitioned: step === 2 }).reduce(`o${index}`, (a) => a).map(({ value }) => value))
      })
      const plan = built.plan()
      const { stages } = cutStages(plan)
      expect(stages.flatMap(({ nodes }) => nodes).toSorted()).toEqual(plan.nodes.map(({ id }) => id).toSorted())
      expect(stages.map(({ id }) => id)).toEqual(stages.map((_, index) => `s${index}`))
      stages.forEach(({ id, inputs, nodes }, index) => {
        for (const input of inputs) {
          if (input.kind !== 'shuffle') continue
          const writer = stages.findIndex(({ shuffles }) => shuffles.some(({ shuffle, keyBy, to }) => shuffle === input.shuffle && keyBy === input.keyBy && to === id))
          expect([writer >= 0 && writer < index, stages[writer]?.id]).toEqual([true, input.from])
        }
        nodes.forEach((each, place) => {
          const node = plan.nodes.find((candidate) => candidate.id === each)
          if (node === undefined || node.kind === 'source') return
          const shuffled = inputs.some((input) => input.kind === 'shuffle' && input.keyBy === node.input)
          expect(shuffled || nodes.slice(0, place).includes(node.input)).toBe(true)
        })
      })
    }))
  })

  test('partitions: of a source what it has, behind a shuffle the parallelism', () => {
    const plan = branched().plan()
    const physical = cutStages(plan)
    expect([...stagePartitions(plan, physical, (node) => node === 'n0' ? 6 : 2)]).toEqual([['s0', 6], ['s1', 2], ['s2', 4], ['s3', 4]])
    expect(() => stagePartitions(plan, physical, () => 0)).toThrow(expect.objectContaining({ code: 'PLAN_UNCUTTABLE', place: { path: 'stages.s0' } }))
  })

  test('stages: a plan whose input is missing → refused, not cut somehow', () => {
    const plan = branched().plan()
    expect(() => cutStages({ ...plan, nodes: plan.nodes.filter(({ id }) => id !== 'n2') })).toThrow(expect.objectContaining({ code: 'PLAN_UNCUTTABLE', place: { path: 'nodes.n3' } }))
  })
})

describe('planHash', () => {
  const reversed = (value: unknown): unknown => Array.isArray(value) ? value.map(reversed)
    : typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).toReversed().map(([name, each]) => [name, reversed(each)])) : value
  const isPlan = (value: unknown): value is LogicalPlan => typeof value === 'object' && value !== null && 'nodes' in value

  test('hash: the order of fields does not matter, any value does', () => {
    const plan = branched().plan()
    const other = reversed(plan)
    expect(JSON.stringify(other)).not.toBe(JSON.stringify(plan))
    expect(isPlan(other) && planHash(other)).toBe(planHash(plan))
    expect(planHash(plan)).toMatch(/^[0-9a-f]{64}$/)
    expect(planHash({ ...plan, version: '2' })).not.toBe(planHash(plan))
    expect(planHash({ ...plan, nodes: plan.nodes.toReversed() })).not.toBe(planHash(plan))
  })

  test('hash: a small plan → the SHA-256 of its canonical JSON, as sha256sum says', () => {
    const plan = job('a').plan()
    expect(planHash(plan)).toBe('5fd469070608c8dd039c127ea8e48333ffd63b7489d2493513b83217734361be')
  })
})
