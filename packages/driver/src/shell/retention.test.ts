// What of a job's checkpoints is removed, by whom and when: retention, garbage, and removals that come late.
import { beforeEach, describe, expect, test } from '@jest/globals'
import { paths } from '@tidemark/checkpoint'
import type { ObjectStore } from '@tidemark/base'
import type { JobState } from '@tidemark/wire'
import { collectGarbage, retain } from './checkpoint.ts'
import { bundle, JOB, lead, memoryPorts, planOf, storeCheckpoint } from './cluster.sample.ts'
import type { TestPorts } from './cluster.sample.ts'
import type { DriverPorts } from './ports.ts'
import { newestRun, readRun, startRun } from './start-run.ts'
import { submit } from './submit.ts'

let ports: TestPorts
const leader = lead(5)
const generation = { epoch: 5, counter: 1 }
beforeEach(async () => {
  ports = await memoryPorts()
})
const send = async (over: { readonly version?: string, readonly from?: number } = {}, state: JobState | undefined = undefined) => {
  const run = await newestRun(ports, JOB)
  return submit(ports, leader, { plan: planOf(over), bundle: bundle(), ...(over.from === undefined ? {} : { fromCheckpoint: over.from }) }, () => state === undefined ? undefined : { run, state })
}
const store = (run: number, checkpoint: number): Promise<void> => storeCheckpoint(ports, run, checkpoint)

describe('retention', () => {
  test('a run was submitted from a checkpoint that a checkpoint of the run before would push out → it stays until the new run has two of its own', async () => {
    await send()
    for (const checkpoint of [1, 2, 3]) await store(1, checkpoint)
    await send({ from: 1, version: '2' }, 'running')
    expect((await retain(ports, leader, await readRun(ports, JOB, 1), 2)).map(({ checkpoint }) => checkpoint)).toEqual([3, 2, 1])
    await store(2, 4)
    await store(2, 5)
    expect((await retain(ports, leader, await readRun(ports, JOB, 2), 2)).map(({ checkpoint }) => checkpoint)).toEqual([5, 4])
  })
})

describe('retention of a driver that was replaced', () => {
  /** It stands still when it has chosen, and before it removes: meanwhile another leads, and takes a submission from what was chosen. */
  const replacedBeforeItAsks = (epoch: number): DriverPorts => {
    let replaced = false
    const { store: real } = ports
    const list: ObjectStore['list'] = async (asked) => {
      if (asked !== paths.driverEpochPrefix || replaced) return real.list(asked)
      replaced = true
      await real.putIfAbsent(paths.driverEpoch(epoch), Buffer.from('{}'))
      await submit({ ...ports, store: real }, lead(epoch), { plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 }, () => ({ run: 1, state: 'running' }))
      return real.list(asked)
    }
    const one: ObjectStore = {
      name: real.name, list, check: () => real.check(), get: (key) => real.get(key), getRange: (...asked) => real.getRange(...asked), put: (...given) => real.put(...given), putIfAbsent: (...given) => real.putIfAbsent(...given),
      delete: (keys) => real.delete(keys), close: () => real.close(),
    }
    return { ...ports, store: one }
  }
  const begin = async (): Promise<void> => {
    await send()
    for (const checkpoint of [1, 2, 3]) await store(1, checkpoint)
  }

  test('a run has begun meanwhile from a checkpoint that it chose → it removes nothing', async () => {
    await begin()
    await expect(retain(replacedBeforeItAsks(6), leader, await readRun(ports, JOB, 1), 2)).rejects.toMatchObject({ code: 'DRIVER_NOT_LEADER' })
    expect((await readRun(ports, JOB, 2)).from).toMatchObject({ checkpoint: 1 })
    expect((await ports.store.list(paths.manifestPrefix(JOB))).map(({ key }) => key)).toContain(paths.manifest(JOB, 1))
  })
  test('nobody leads since → it removes what it chose', async () => {
    await begin()
    await ports.store.putIfAbsent(paths.driverEpoch(leader.epoch), Buffer.from('{}'))
    expect((await retain(ports, leader, await readRun(ports, JOB, 1), 2)).map(({ checkpoint }) => checkpoint)).toEqual([3, 2])
  })
})

describe('what a run begins from is its own (C4)', () => {
  const old = (real: ObjectStore): ObjectStore => Object.assign(Object.create(real) as ObjectStore, {
    list: async (prefix: string) => (await real.list(prefix)).map((info) => ({ ...info, modifiedAt: 0 })), get: (key: string) => real.get(key), delete: (keys: readonly string[]) => real.delete(keys),
  })
  const begin = async (): Promise<void> => {
    await send()
    for (const checkpoint of [1, 2, 3]) {
      await store(1, checkpoint)
      for (const partition of [0, 1]) await ports.store.put(paths.snapshotObject({ job: JOB, run: 1, stage: 's0' as never, partition }, checkpoint, generation, 'n', 0), Buffer.from('abc'))
    }
  }
  /** The removal that a driver had sent before it was replaced arrives right behind this call of the one that leads now. */
  const removedBehind = (call: 'get' | 'put', of: string): DriverPorts => {
    const real = ports.store
    const arrives = async <T>(name: string, key: string, done: Promise<T>): Promise<T> => {
      const value = await done
      if (name === call && key.startsWith(of)) await real.delete([paths.manifest(JOB, 1), paths.offsets(JOB, 1)])
      return value
    }
    return { ...ports, store: Object.assign(Object.create(real) as ObjectStore, {
      get: (key: string) => arrives('get', key, real.get(key)), put: (key: string, body: Uint8Array) => arrives('put', key, real.put(key, body)), list: (prefix: string) => real.list(prefix),
      putIfAbsent: (key: string, body: Uint8Array) => real.putIfAbsent(key, body), delete: (keys: readonly string[]) => real.delete(keys),
    }) }
  }
  const restore = (over: DriverPorts) => submit(over, leader, { plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 }, () => ({ run: 1, state: 'running' }))
  const objectsOf1 = async (): Promise<number> => (await ports.store.list(paths.checkpointStatePrefix(JOB, 1))).length
  const copies = async (): Promise<number> => (await ports.store.list(paths.originPrefix(JOB))).length
  const collect = () => collectGarbage({ ...ports, store: old(ports.store) }, leader, JOB, { dryRun: false })

  test.each([['get', paths.manifest(JOB, 1)], ['put', paths.originPrefix(JOB)]] as const)('a removal comes while the run is made, behind the %s of %s → refused, and no run is there', async (call, of) => {
    await begin()
    await expect(restore(removedBehind(call, of))).rejects.toMatchObject({ code: 'CHECKPOINT_UNKNOWN', details: { there: [3, 2] } })
    await expect(readRun(ports, JOB, 2)).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' })
  })
  test('a removal comes once the run is made → the run starts, reads its copy, and nobody collects what that names until it has two checkpoints of its own', async () => {
    await begin()
    await startRun(ports, leader, JOB, 1, generation, false)
    await restore(ports)
    await ports.store.delete([paths.manifest(JOB, 1), paths.offsets(JOB, 1)])
    await ports.log.write([{ topic: 'out', partition: 0, records: [{ key: null, value: 'x' }] }])
    expect((await startRun(ports, leader, JOB, 2, { epoch: 5, counter: 2 }, false)).notes).toEqual(['output of out/0 in [0, 1) was written after checkpoint 1 and is not called back'])
    await collect()
    await store(2, 4)
    await collect()
    expect([await objectsOf1(), await copies()]).toEqual([2, 1])
    await store(2, 5)
    await collect()
    expect([await objectsOf1(), await copies()]).toEqual([0, 0])
  })
  test('the copy has gone, and a driver finds topics of the run before → it starts the run again, with nothing to tell of what came behind', async () => {
    await begin()
    await startRun(ports, leader, JOB, 1, generation, false)
    await restore(ports)
    // Its topics are made, and the driver dies before it has deleted those of the run before.
    await startRun(ports, leader, JOB, 2, { epoch: 5, counter: 2 }, false)
    for (const checkpoint of [4, 5]) await store(2, checkpoint)
    await collect()
    expect(await copies()).toBe(0)
    expect((await startRun(ports, leader, JOB, 2, { epoch: 5, counter: 3 }, true)).notes).toEqual([])
  })
  test('a run that has a copy is followed by another → the copy goes, the newer one stays', async () => {
    await begin()
    await restore(ports)
    await submit(ports, leader, { plan: planOf({ version: '3' }), bundle: bundle(), fromCheckpoint: 3 }, () => ({ run: 2, state: 'running' }))
    await collect()
    expect((await ports.store.list(paths.originPrefix(JOB))).map(({ key }) => paths.parseOrigin(key)?.number)).toEqual([3])
  })
  /** A run was to begin from the first checkpoint, and its driver died behind the copy. */
  const copied = async (): Promise<void> => {
    const dies = Object.assign(Object.create(ports.store) as ObjectStore, {
      get: (key: string) => ports.store.get(key), put: (key: string, body: Uint8Array) => ports.store.put(key, body), list: (prefix: string) => ports.store.list(prefix), putIfAbsent: () => Promise.reject(new Error('it dies here')),
    })
    await expect(restore({ ...ports, store: dies })).rejects.toThrow('it dies here')
  }
  test.each(['copy of a run that is to begin', 'manifest'] as const)('the %s that alone names objects can\'t be read when garbage is collected → nothing is removed', async (which) => {
    await begin()
    await copied()
    const [copy = { key: '' }] = await ports.store.list(paths.originPrefix(JOB))
    const [damaged, gone] = which === 'manifest' ? [paths.manifest(JOB, 1), copy.key] : [copy.key, paths.manifest(JOB, 1)]
    await ports.store.delete([gone])
    await ports.store.put(damaged, Buffer.from('{"formatVersion":1,'))
    await expect(collect()).rejects.toMatchObject({ code: 'MANIFEST_INVALID', place: { path: damaged } })
    expect(await objectsOf1()).toBe(2)
  })
  test('a copy younger than a day stays', async () => {
    await begin()
    await restore(ports)
    for (const checkpoint of [4, 5]) await store(2, checkpoint)
    await collectGarbage(ports, leader, JOB, { dryRun: false })
    expect(await copies()).toBe(1)
  })
  test('a removal comes between the copy and the run record, and garbage is collected then → the copy is enough', async () => {
    await begin()
    const real = ports.store
    let left = 0
    const slow = { ...ports, store: Object.assign(Object.create(real) as ObjectStore, {
      get: (key: string) => real.get(key), put: (key: string, body: Uint8Array) => real.put(key, body), list: (prefix: string) => real.list(prefix), delete: (keys: readonly string[]) => real.delete(keys),
      putIfAbsent: async (key: string, body: Uint8Array) => {
        await real.delete([paths.manifest(JOB, 1)])
        await collect()
        left = await objectsOf1()
        return real.putIfAbsent(key, body)
      },
    }) }
    await restore(slow)
    expect(left).toBe(2)
    expect((await readRun(ports, JOB, 2)).from).toMatchObject({ checkpoint: 1 })
  })
  test('the run record was not written after all → the next run of that number, which begins empty, frees what was copied for it', async () => {
    await begin()
    await copied()
    await ports.store.delete([paths.manifest(JOB, 1)])
    await collect()
    expect(await objectsOf1()).toBe(2)
    await send({ version: '2' }, 'cancelled')
    await store(2, 4)
    await store(2, 5)
    await collect()
    expect([await objectsOf1(), await copies()]).toEqual([0, 0])
  })
})
