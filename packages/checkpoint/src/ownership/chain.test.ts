// The chain of batches: legal histories fold, every break is seen with both values.
import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { commit, snapshot, stamp } from '../samples/records.ts'
import type { CommitRecord, Stamp } from '../records/records.ts'
import { chainAfter, emptyChain, foldCommit } from './chain.ts'
import type { Chain } from './chain.ts'

const fold = (records: readonly CommitRecord[], from: Chain = emptyChain()): Chain => records.reduce(foldCommit, from)
const batches = (owners: readonly Stamp[], first = 1): CommitRecord[] => owners.map((by, i) => commit(by, first + i))

/** A legal history: generations grow, within one an owner changes its id and never takes an old one again. */
const history = fc.array(fc.record({ grow: fc.boolean(), renew: fc.boolean() }), { minLength: 1, maxLength: 30 }).map((steps) => {
  let [generation, id] = [1, 0]
  return steps.map(({ grow, renew }) => {
    if (grow) generation += 1
    if (renew || grow) id += 1
    return stamp(`slot${generation}`, generation, id)
  })
})

describe('chain of batches (invariant 2)', () => {
  test('every legal history folds, from the start and from a snapshot in its middle', () => {
    fc.assert(fc.property(history, fc.nat(), (owners, cut) => {
      const records = batches(owners)
      expect(fold(records).batchId).toBe(records.length)
      const at = cut % records.length
      const before = records[at] as CommitRecord
      expect(fold(records.slice(at + 1), chainAfter(snapshot(before, 1, at + 1, 50))).batchId).toBe(records.length)
    }))
  })
  test('a left-out or doubled batch anywhere is seen, with both values', () => {
    fc.assert(fc.property(history.filter((owners) => owners.length > 1), fc.nat(), (owners, where) => {
      const records = batches(owners)
      const at = where % (records.length - 1)
      expect(() => fold(records.toSpliced(at, 1))).toThrow(`batch ${at + 1} must follow, the journal has ${at + 2}`)
      expect(() => fold(records.toSpliced(at, 0, records[at] as CommitRecord))).toThrow(`batch ${at + 2} must follow, the journal has ${at + 1}`)
    }))
  })
  test('a fresh chain begins at 1, one from a snapshot right behind its batch', () => {
    expect(() => fold(batches([stamp('A', 1)], 2))).toThrow('batch 1 must follow, the journal has 2')
    expect(() => fold(batches([stamp('A', 1)], 7), chainAfter(snapshot(stamp('A', 1), 4, 7, 20)))).toThrow('batch 8 must follow, the journal has 7')
    expect(fold(batches([stamp('B', 1)]), chainAfter(snapshot(stamp('A', 900), 4, 0, 0))).batchId).toBe(1)
  })
  test('a generation that goes down is seen, also against the snapshot', () => {
    expect(() => fold(batches([stamp('B', 2), stamp('A', 1)]))).toThrow('batch 2 has generation 1.1, below 1.2')
    expect(() => fold(batches([stamp('A', 1)], 8), chainAfter(snapshot(stamp('B', 2), 4, 7, 20)))).toThrow('below 1.2')
  })
  test('one generation has one owner, and an id that others followed does not come back', () => {
    expect(() => fold(batches([stamp('A', 1), stamp('B', 1)]))).toThrow('generation 1.1 has two owners: slot slot-A, then slot slot-B')
    expect(() => fold(batches([stamp('A', 1, 0), stamp('A', 1, 1), stamp('A', 1, 0)]))).toThrow('id A.0 came back at batch 3, after A.1')
    expect(fold(batches([stamp('A', 1, 0), stamp('A', 2, 0)])).batchId).toBe(2)
  })
})
