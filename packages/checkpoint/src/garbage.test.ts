// What garbage collection removes, and everything it must spare (S7).
import { describe, expect, test } from '@jest/globals'
import { jobId, stageId } from '@tidemark/base'
import type { ObjectInfo } from '@tidemark/base'
import { GARBAGE_AGE_MS, garbagePlan } from './garbage.ts'
import type { GarbageFacts, Origin } from './garbage.ts'
import { buildManifest, objectsOf } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { paths } from './paths.ts'
import { manifestFacts } from './samples/manifest.ts'
import { runRecord } from './samples/run.ts'

const job = jobId('orders')
const now = 1_700_000_000_000
const old = now - GARBAGE_AGE_MS
const manifests: Manifest[] = [20, 21, 22].map((n) => buildManifest(runRecord, manifestFacts(n)))
const manifest20 = manifests[0] as Manifest
const orphan = (checkpoint: number, modifiedAt = old): ObjectInfo =>
  ({ key: paths.snapshotObject({ job, run: 2, stage: stageId(0), partition: 0 }, checkpoint, { epoch: 1, counter: 1 }, 'orphan', 0), sizeBytes: 10, modifiedAt })
const named = manifests.flatMap(objectsOf).map(({ key, sizeBytes }): ObjectInfo => ({ key, sizeBytes, modifiedAt: old }))
const origin = (run: number, modifiedAt = old): Origin => ({ run, info: { key: paths.origin(job, run, 'a'.repeat(64)), sizeBytes: 10, modifiedAt }, manifest: manifest20 })
const plan = (change: Partial<GarbageFacts>): ReturnType<typeof garbagePlan> =>
  garbagePlan({ job, run: 2, from: undefined, origins: [], originsListedAt: 3, objects: [...named, orphan(19), orphan(20)], objectsListedAt: 1, manifests, manifestsListedAt: 2, now, ...change })

describe('garbage (S7)', () => {
  test('what nobody names goes, with its bytes', () => {
    expect(plan({})).toEqual({ remove: [orphan(19), orphan(20)], bytes: 20, removeOrigins: [], spared: { named: 18, 'recent-checkpoint': 0, young: 0, unknown: 0 } })
  })
  test('at or above the second newest manifest a journal may name it: spared', () => {
    expect(plan({ objects: [orphan(20), orphan(21), orphan(22), orphan(23)] }).remove).toEqual([orphan(20)])
  })
  test('younger than a day: spared', () => {
    expect(plan({ objects: [orphan(3, old + 1), orphan(3, old)] }).remove).toEqual([orphan(3, old)])
  })
  test('a run with fewer than two manifests of its own: everything is spared', () => {
    expect(plan({ run: 3 }).remove).toEqual([])
    expect(plan({ manifests: manifests.slice(0, 1) }).remove).toEqual([])
  })
  test('what is not a state object of this job is never touched', () => {
    const strange = [{ key: 'orders/state/1/readme.txt', sizeBytes: 1, modifiedAt: 0 }, { ...orphan(1), key: orphan(1).key.replace('orders/', 'others/') }]
    expect(plan({ objects: strange })).toMatchObject({ remove: [], spared: { unknown: 2 } })
  })
  test('C4: its manifest is gone, a run has a copy → what it names stays while the run may need it, and goes after', () => {
    const of20 = objectsOf(manifest20).map(({ key }): ObjectInfo => ({ key, sizeBytes: 10, modifiedAt: old }))
    const gone = (change: Partial<GarbageFacts>): number => plan({ objects: of20, manifests: manifests.slice(1), ...change }).remove.length
    expect(gone({})).toBe(of20.length)
    // A run record that is still to come, perhaps from a driver that stands still.
    expect(gone({ origins: [origin(3)] })).toBe(0)
    // There is a run of this number, and it began from something else, or empty: it will never be this one's.
    expect(gone({ origins: [origin(2)] })).toBe(of20.length)
    expect(gone({ origins: [origin(2)], from: origin(2).info.key })).toBe(of20.length)
    expect(gone({ origins: [origin(2)], from: origin(2).info.key, manifests: manifests.slice(2) })).toBe(0)
    expect(gone({ origins: [origin(1)] })).toBe(of20.length)
  })
  test('C4: a copy goes once its run has a record and is not the newest, began from something else, or has two checkpoints of its own, and a day is over', () => {
    const going = (change: Partial<GarbageFacts>): readonly string[] => plan(change).removeOrigins
    const [one, two] = [origin(1).info.key, origin(2).info.key]
    expect(going({ origins: [origin(1), origin(2), origin(3)], from: two })).toEqual([one, two])
    expect(going({ origins: [origin(1), origin(2), origin(3)], from: two, manifests: manifests.slice(2) })).toEqual([one])
    // It was copied for a run that was never made; that of its number began empty.
    expect(going({ origins: [origin(2)], manifests: manifests.slice(2) })).toEqual([two])
    expect(going({ origins: [origin(1, old + 1), origin(2, old + 1)], from: two })).toEqual([])
    // One that needs nothing of it: its manifest is not read.
    expect(going({ origins: [{ ...origin(1), manifest: undefined }] })).toEqual([one])
  })
  test('C4: a copy that a run may need was not read → refused, nothing is garbage', () => {
    const unread = (run: number): Origin => ({ ...origin(run), manifest: undefined })
    expect(() => plan({ origins: [unread(3)] })).toThrow('was not read, but run 3 may need what it names: the newest run is 2')
    expect(() => plan({ origins: [unread(2)], from: origin(2).info.key, manifests: manifests.slice(2) })).toThrow('was not read')
    expect(plan({ origins: [unread(2)], from: origin(2).info.key }).removeOrigins).toEqual([origin(2).info.key])
  })
  test('C4: origins read before the manifests could miss one: refused', () => {
    expect(() => plan({ originsListedAt: 1 })).toThrow('before the manifests')
  })
  test('manifests read before the objects were listed could miss one: refused', () => {
    expect(() => plan({ objectsListedAt: 3 })).toThrow('before the objects')
  })
})
