// What upstream tasks that say they are idle let the watermark pass, by the order of their blocks.
import { describe, expect, test } from '@jest/globals'
import type { TaskRef } from '@tidemark/base'
import { jobId, stageId } from '@tidemark/base'
import type { Block } from '@tidemark/checkpoint'
import fc from 'fast-check'
import { renewMs } from './idle-claims.ts'
import { stageProgress } from './stage-watermark.ts'
import { Upstreams } from './upstreams.ts'

const READER: TaskRef = { job: jobId('j'), run: 1, stage: stageId(1), partition: 0 }
/** As many claims as `graceOf` asks for with this. */
const [IDLE_AFTER_MS, GRACE] = [400, 4]

/** [task, what it says: a watermark, or that it is idle at one]. */
type Said = readonly [task: number, watermark: number, idle?: 'idle']

const reader = (tasks: number) => {
  const upstreams = new Upstreams(READER, [{ shuffle: 's', from: 's0', tasks, idleAfterMs: IDLE_AFTER_MS }])
  const batches = new Map<number, number>()
  return {
    upstreams,
    hears(...said: readonly Said[]): { readonly watermark: number, readonly idle: boolean } {
      for (const [task, watermark, idle] of said) {
        const batchId = (batches.get(task) ?? 0) + 1
        batches.set(task, batchId)
        const block: Block = { stage: 's0', partition: task, batchId, generation: { epoch: 1, counter: 1 }, watermark, idle: idle !== undefined, index: 0, count: 1, keys: [], timestamps: new Float64Array(), values: [] }
        upstreams.check('s', block)
        upstreams.fold('s', block)
      }
      return stageProgress(upstreams.progress())
    },
  }
}

describe('idle claims', () => {
  test('a claim clears what the others had told before the claim before it, and nothing they told later', () => {
    const { hears } = reader(2)
    expect(hears([0, 7], [1, 3])).toEqual({ watermark: 3, idle: false })
    // It looked some time before it said so: the 7 may be newer than that.
    expect(hears([1, 3, 'idle']).watermark).toBe(3)
    expect(hears([0, 9]).watermark).toBe(3)
    expect(hears([1, 3, 'idle']).watermark).toBe(7)
    expect(hears([0, 50]).watermark).toBe(7)
    expect(hears([1, 3, 'idle']).watermark).toBe(9)
    expect(hears([1, 3, 'idle']).watermark).toBe(50)
  })

  test('never heard from: it holds the watermark, whatever the others say', () => {
    const { hears } = reader(2)
    expect(hears([0, 7], [0, 7, 'idle'], [0, 7, 'idle'], [0, 7, 'idle'])).toEqual({ watermark: -Infinity, idle: false })
  })

  test('an owner that died said idle last: nothing passes it until its heir has looked', () => {
    const { hears } = reader(2)
    hears([0, 7], [1, 3, 'idle'], [1, 3, 'idle'], [1, 3, 'idle'])
    expect(hears([0, 90], [0, 95], [0, 99]).watermark).toBe(7)
    // The heir has read what came meanwhile.
    expect(hears([1, 60]).watermark).toBe(60)
  })

  test('several are idle: each clears what the active ones told; all are idle: the highest of all, and a claim of each', () => {
    const { hears } = reader(3)
    hears([0, 20], [1, 5], [2, 6])
    // When 1 spoke first, 2 was not idle yet.
    expect(hears([1, 5, 'idle'], [2, 6, 'idle'], [1, 5, 'idle'], [2, 6, 'idle'])).toEqual({ watermark: 6, idle: false })
    expect(hears([1, 5, 'idle'])).toEqual({ watermark: 20, idle: false })
    hears([0, 30])
    expect(hears([0, 30, 'idle'], [1, 5, 'idle'], [2, 6, 'idle'])).toEqual({ watermark: 20, idle: true })
    expect(hears([1, 5, 'idle'], [2, 6, 'idle'])).toEqual({ watermark: 30, idle: true })
  })

  test('all are idle and one wakes: the others have idleAfter to wake too before they clear what it says', () => {
    const { hears } = reader(2)
    hears([0, 5], [1, 5], [0, 5, 'idle'], [1, 5, 'idle'], [0, 5, 'idle'], [1, 5, 'idle'])
    expect(hears([0, 90]).watermark).toBe(5)
    for (let claims = 0; claims < GRACE; claims += 1) expect(hears([1, 5, 'idle']).watermark).toBe(5)
    expect(hears([1, 5, 'idle']).watermark).toBe(90)
    // From here on it lags by its claims only.
    expect(hears([0, 95], [1, 5, 'idle'], [1, 5, 'idle']).watermark).toBe(95)
  })

  test('what an undone batch folded never was; a committed one goes on where the marks say', () => {
    const { hears, upstreams } = reader(2)
    hears([0, 7], [1, 3, 'idle'])
    upstreams.commit()
    const before = upstreams.list()
    hears([0, 9], [1, 3, 'idle'])
    upstreams.undo()
    expect(upstreams.list()).toEqual(before)
    const heir = new Upstreams(READER, [...upstreams.shuffles.values()])
    heir.seek(before)
    expect(heir.progress()).toEqual(upstreams.progress())
  })

  test('any order of marks → an idle task lets nothing pass that was told behind its claim before last', () => {
    const says = fc.record({ task: fc.nat({ max: 2 }), step: fc.nat({ max: 9 }), idle: fc.boolean() })
    fc.assert(fc.property(fc.array(says, { maxLength: 60 }), (list) => {
      const { hears } = reader(3)
      const [told, claims] = [[-Infinity, -Infinity, -Infinity], new Map<number, number[]>()]
      let highest = -Infinity
      for (const { task, step, idle } of list) {
        const watermark = Math.max(0, told[task] ?? 0) + (idle ? 0 : step)
        told[task] = watermark
        highest = Math.max(highest, watermark)
        claims.set(task, idle ? [...claims.get(task) ?? [], highest] : [])
        const now = hears(idle ? [task, watermark, 'idle'] : [task, watermark]).watermark
        for (const [one, own] of told.entries()) expect(now).toBeLessThanOrEqual(Math.max(own, claims.get(one)?.at(-2) ?? -Infinity))
      }
    }))
  })

  test('any order of marks, commits and undone batches → the others begin their time anew exactly when all were idle', () => {
    const step = fc.oneof(fc.record({ task: fc.nat({ max: 2 }), idle: fc.boolean() }), fc.constantFrom('commit' as const, 'undo' as const, 'restart' as const))
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let upstreams = reader(3).upstreams
      let batchId = 0
      for (const one of steps) {
        if (one === 'commit') upstreams.commit()
        else if (one === 'undo') upstreams.undo()
        else if (one === 'restart') {
          const heir = new Upstreams(READER, [...upstreams.shuffles.values()])
          heir.seek(upstreams.list())
          upstreams = heir
        } else {
          const [allWereIdle, before] = [upstreams.progress().every(({ idle }) => idle), upstreams.list()]
          batchId += 1
          upstreams.fold('s', { stage: 's0', partition: one.task, batchId, generation: { epoch: 1, counter: 1 }, watermark: batchId, idle: one.idle, index: 0, count: 1, keys: [], timestamps: new Float64Array(), values: [] })
          for (const mark of before.filter(({ partition }) => partition !== one.task)) expect(upstreams.get('s', mark.partition)).toEqual(allWereIdle && !one.idle ? { ...mark, grace: GRACE } : mark)
        }
      }
    }))
  })

  test('renewals are bounded: neither a flood nor so rare that results wait for them', () => {
    expect([1, 200, 1_000, 10_000, 86_400_000].map(renewMs)).toEqual([50, 50, 250, 250, 250])
  })
})

describe('blocks', () => {
  const block = (batchId: number, index: number, count: number): Block => ({ stage: 's0', partition: 0, batchId, generation: { epoch: 1, counter: 1 }, idle: false, index, count, keys: [], timestamps: new Float64Array(), values: [] })
  const after = (...blocks: readonly Block[]): Upstreams => {
    const { upstreams } = reader(1)
    for (const one of blocks) upstreams.fold('s', one)
    return upstreams
  }

  test('each follows the last one of its writer; a missing, repeated or overtaken one is found, also across a restart', () => {
    const heir = new Upstreams(READER, [{ shuffle: 's', from: 's0', tasks: 1, idleAfterMs: IDLE_AFTER_MS }])
    heir.seek(after(block(1, 0, 3)).list())
    for (const midway of [after(block(1, 0, 3)), heir]) {
      expect(() => midway.check('s', block(1, 1, 3))).not.toThrow()
      for (const [batchId, index, count] of [[1, 0, 3], [1, 2, 3], [1, 1, 2], [2, 0, 3], [2, 1, 3]] as const) expect(() => midway.check('s', block(batchId, index, count))).toThrow(/where block 1 of 3 of its batch 1 was to come/)
      expect(() => midway.restartBatches('s')).toThrow(/end before block 1 of batch 1/)
    }
    const whole = after(block(4, 0, 2), block(4, 1, 2))
    expect(() => whole.check('s', block(9, 0, 1))).not.toThrow()
    for (const [batchId, index] of [[4, 0], [4, 1], [4, 2], [3, 0]] as const) expect(() => whole.check('s', block(batchId, index, 2))).toThrow(/came behind its batch 4/)
    expect(() => whole.check('s', block(5, 1, 2))).toThrow(/begin with number 1/)
  })
})
