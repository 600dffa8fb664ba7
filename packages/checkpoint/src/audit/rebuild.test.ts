// The state of a task rebuilt in every way: one hash; and what is another value in one of them, with every checksum right, is found.
import { describe, expect, test } from '@jest/globals'
import { Packr } from 'msgpackr'
import { auditedWorld, commitAt, rebuildWorld, rewrite } from '../samples/audited.ts'
import type { AuditedWorld } from '../samples/audited.ts'
import { StateReplay } from './state.ts'

const packr = new Packr({ useRecords: false })
const sums = (keys: readonly string[], value: number): Buffer => packr.pack([1, ['sums', [], [[0, [], keys, [keys.map(() => value), keys.map(() => 1)]]]]])
/** Behind all others of a snapshot's blocks: it has the last word. */
const withValue = (world: AuditedWorld, batchId: number, key: string): void => rewrite(world, 's1-0', batchId, (blocks) => blocks.toSpliced(-1, 0, sums([key], 77)))
const setStart = (world: AuditedWorld, start: number): void => void Object.assign(world.journals['s1-0'] ?? {}, { start })

describe('audit, state rebuilt', () => {
  test('rebuild, a task in balance → from its beginning and from both snapshots the same hash, witnessed to the newest snapshot', () => {
    const { state, findings } = rebuildWorld(auditedWorld(), 's1-0')
    expect([findings.list, findings.untold, findings.compared.get('rebuilt')]).toEqual([[], [], 3])
    expect(state).toMatchObject({ stage: 's1', partition: 0, batchId: 5, keys: 7, witnessedTo: 4, outOfReach: 0, hash: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(state?.ways).toEqual([{ from: 0, hash: state?.hash }, { checkpoint: 2, from: 2, hash: state?.hash }, { checkpoint: 4, from: 4, hash: state?.hash }])
    expect(rebuildWorld(auditedWorld(), 's1-1').state?.hash).toBe(state?.hash)
  })

  test('rebuild, one value in the newest snapshot is another → task, batch and key, and no one hash', () => {
    const world = auditedWorld()
    withValue(world, 4, 'k1')
    const { state, findings } = rebuildWorld(world, 's1-0')
    expect(findings.list).toMatchObject([0, 2].map(() => ({ kind: 'rebuilt-differs', stage: 's1', partition: 0, batchId: 4, message: expect.stringMatching(/checkpoint 4 .*1 others; another value of "k1" of "sums"/) })))
    expect(state).not.toHaveProperty('hash')
    expect(state?.differsAt).toBe(4)
    const [first, second, third] = state?.ways ?? []
    expect([first?.hash === second?.hash, first?.hash === third?.hash]).toEqual([true, false])
  })

  test('rebuild, one value in an after-image between two snapshots is another → the batch that wrote it is named', () => {
    const world = auditedWorld()
    commitAt(world, 's1-0', 3).content.state = packr.pack([1, ['sums', [], [[0, [], ['k3', 'all'], [[30, 3], [0.5, 1]]]]], ['times', [], [[0, [], ['a'], [[2], [3, 4]]]]]])
    const { findings } = rebuildWorld(world, 's1-0')
    expect(findings.list).toMatchObject([0, 2].map(() => ({ batchId: 4, message: expect.stringContaining('another value of "k3" of "sums", which batch 3 wrote last') })))
  })

  test('rebuild, a wrong value that a later batch wrote over → found all the same, though the hashes agree in the end', () => {
    const world = auditedWorld()
    withValue(world, 2, 'all')
    const { state, findings } = rebuildWorld(world, 's1-0')
    expect(findings.list).toMatchObject([{ kind: 'rebuilt-differs', batchId: 2, message: expect.stringMatching(/than the beginning of the run.*"all"/) }])
    expect(state).toMatchObject({ hash: expect.stringMatching(/^[0-9a-f]{64}$/), differsAt: 2 })
  })

  test('rebuild, a wrong after-image behind the newest snapshot → no second witness, and the report says from where on', () => {
    const world = auditedWorld()
    commitAt(world, 's1-0', 5).content.state = sums(['k5'], 50)
    const { state, findings } = rebuildWorld(world, 's1-0')
    expect(findings.list).toEqual([])
    expect(state).toMatchObject({ batchId: 5, witnessedTo: 4 })
  })

  test('rebuild, a trimmed journal → from what it reaches; one way alone → nothing to compare, said so; none → said so', () => {
    const world = auditedWorld()
    setStart(world, 3)
    expect(rebuildWorld(world, 's1-0').state).toMatchObject({ witnessedTo: 4, outOfReach: 0, ways: [{ checkpoint: 2 }, { checkpoint: 4 }] })
    setStart(world, 5)
    const one = rebuildWorld(world, 's1-0')
    expect(one.state).toMatchObject({ witnessedTo: 0, outOfReach: 1, ways: [{ checkpoint: 4 }] })
    expect(one.findings.untold).toEqual([{ what: 'whether the state of s1-0 is rebuilt identically', why: expect.stringContaining('in one way only, from the snapshot of checkpoint 4') }])
    world.objects.clear()
    const none = rebuildWorld(world, 's1-0')
    expect([none.state, none.findings.untold.map(({ why }) => why)]).toEqual([undefined, ['no snapshot that could be read has its tail in the journal']])
  })

  test('rebuild, a batch that is missing → not compared across the hole', () => {
    const world = auditedWorld()
    const { records } = world.journals['s1-0'] ?? { records: [] }
    records.splice(3, 1)
    const { state, findings } = rebuildWorld(world, 's1-0')
    expect([state, findings.untold.map(({ why }) => why)]).toEqual([undefined, ['batch 3 is missing in its journal']])
  })

  test('state hash, the same entries in another order → the same; a key, a value or a table that is another → not', () => {
    const hashOf = (...blocks: readonly Buffer[]): string => {
      const state = new StateReplay()
      for (const block of blocks) state.apply(block)
      return state.hash()
    }
    const one = hashOf(sums(['a', 'b'], 1))
    expect(hashOf(sums(['b'], 1), sums(['a'], 2), sums(['a'], 1))).toBe(one)
    expect(new Set([one, hashOf(sums(['a', 'c'], 1)), hashOf(sums(['a', 'b'], 2)), hashOf(sums(['a'], 1)), hashOf(packr.pack([1, ['others', [], [[0, [], ['a', 'b'], [[1, 1], [1, 1]]]]]])), hashOf()]).size).toBe(6)
  })
})
