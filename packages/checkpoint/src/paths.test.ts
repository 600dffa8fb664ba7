// Every name is parsed to what it was made of, and no name is taken for another.
import { describe, expect, test } from '@jest/globals'
import { jobId, slotId, stageId } from '@tidemark/base'
import * as fc from 'fast-check'
import { paths } from './paths.ts'
import type { StateObject } from './paths.ts'

const job = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,20}$/).filter((name) => name !== 'jobs' && name !== 'drivers').map(jobId)
const number = fc.oneof(fc.nat(), fc.nat({ max: 20 }))
const uuid = fc.uuid()

describe('paths', () => {
  test('internal topics: round trip, for any shuffle id, in characters that Kafka takes', () => {
    fc.assert(fc.property(job, number, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }), number, (name, run, shuffle, stage) => {
      const topic = paths.shuffleTopic(name, run, shuffle)
      expect(topic).toMatch(/^[A-Za-z0-9._-]{1,249}$/)
      expect(paths.parseInternalTopic(topic)).toEqual({ job: name, run, kind: 'shuffle', name: shuffle })
      expect(paths.parseInternalTopic(paths.journalTopic(name, run, stageId(stage)))).toEqual({ job: name, run, kind: 'journal', name: `s${stage}` })
    }))
  })
  test('internal topics: two shuffles never share a name', () => {
    fc.assert(fc.property(fc.string({ maxLength: 6 }), fc.string({ maxLength: 6 }), (a, b) => {
      fc.pre(a !== b)
      expect(paths.shuffleTopic(jobId('j'), 1, a)).not.toBe(paths.shuffleTopic(jobId('j'), 1, b))
    }))
  })
  test('transactional ids: round trip', () => {
    fc.assert(fc.property(job, number, uuid, number, (name, run, slot, counter) => {
      const id = paths.transactionalId(name, run, slotId(slot), counter)
      expect(id).toBe(`${paths.transactionalIdPrefix(name, run, slotId(slot))}.${counter}`)
      expect(paths.parseTransactionalId(id)).toEqual({ job: name, run, slot, counter })
    }))
  })
  test('state objects: round trip, below the checkpoint they belong to', () => {
    const parts = fc.record({ job, checkpoint: number, stage: number.map(stageId), partition: number, kind: fc.constantFrom<StateObject['kind']>('snapshot', 'in-flight'), epoch: number, counter: number, nonce: uuid, index: number })
    fc.assert(fc.property(parts, ({ epoch, counter, ...rest }) => {
      const object: StateObject = { ...rest, generation: { epoch, counter } }
      const task = { job: object.job, run: 1, stage: object.stage, partition: object.partition }
      const format = object.kind === 'snapshot' ? paths.snapshotObject : paths.inFlightObject
      const key = format(task, object.checkpoint, object.generation, object.nonce, object.index)
      expect(paths.parseStateObject(key)).toEqual(object)
      expect(key.startsWith(paths.checkpointStatePrefix(object.job, object.checkpoint))).toBe(true)
      expect(key).toMatch(/^[A-Za-z0-9._=/-]+$/)
    }))
  })
  test('numbered files: round trip, and none is taken for another', () => {
    const kinds = [[paths.manifest, paths.parseManifest], [paths.savepoint, paths.parseSavepoint], [paths.offsets, paths.parseOffsets], [paths.run, paths.parseRun], [paths.definition, paths.parseDefinition]] as const
    fc.assert(fc.property(job, number, (name, n) => {
      for (const [format] of kinds) {
        const read = kinds.map(([, parse]) => parse(format(name, n)))
        expect(read.filter(Boolean)).toEqual([{ job: name, number: n }])
        expect(read[kinds.findIndex(([one]) => one === format)]).toEqual({ job: name, number: n })
      }
      expect(paths.parseDriverEpoch(paths.driverEpoch(n))).toBe(n)
      const origin = paths.origin(name, n, 'a'.repeat(64))
      expect([paths.parseOrigin(origin), kinds.map(([, parse]) => parse(origin)).filter(Boolean), origin.startsWith(paths.originPrefix(name))]).toEqual([{ job: name, number: n }, [], true])
    }))
  })
  test('layout: the keys are those of the design page', () => {
    const name = jobId('orders')
    const task = { job: name, run: 2, stage: stageId(1), partition: 3 }
    expect([
      paths.metadata(name), paths.offsets(name, 12345), paths.manifest(name, 12345), paths.savepoint(name, 7), paths.snapshotObject(task, 12345, { epoch: 4, counter: 9 }, 'ab', 0),
      paths.definition(name, 4), paths.bundle(name, 'ff'), paths.plan(name, 'aa'), paths.run(name, 2), paths.origin(name, 2, 'cc'), paths.driverEpoch(4), paths.deadLetterTopic(name), paths.mirrorGroup(name),
    ]).toEqual([
      'orders/metadata.json', 'orders/offsets/12345.json', 'orders/commits/12345.json', 'orders/savepoints/7.json', 'orders/state/12345/s1-3/g4.9-ab-0.snapshot',
      'jobs/orders/definition/4.json', 'jobs/orders/bundles/ff.js', 'jobs/orders/plans/aa.json', 'jobs/orders/runs/2.json', 'jobs/orders/origins/2/cc.json', 'drivers/epochs/4.json', 'orders.dead-letters', 'tidemark.orders',
    ])
  })
  test('reserved: a job called as a folder of ours is refused, a topic too long as well', () => {
    expect(() => paths.manifest(jobId('jobs'), 1)).toThrow('no job may be called "jobs"')
    expect(() => paths.shuffleTopic(jobId('j'), 1, 'x'.repeat(250))).toThrow('longer than 249')
  })
  test('strangers: other names are not ours', () => {
    for (const text of ['orders', 'tidemark.orders.1.journal', 'tidemark.orders.01.journal.s0', 'tidemark.Orders.1.journal.s0', '__consumer_offsets']) expect(paths.parseInternalTopic(text)).toBeUndefined()
    for (const key of ['orders/state/1/s0-0/x.snapshot', 'orders/state/1/s0-0/g1.1-n-0.tmp', 'orders/commits/1.json']) expect(paths.parseStateObject(key)).toBeUndefined()
  })
})
