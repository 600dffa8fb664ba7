// Run records: round trip, every mistake told, and which task reads which partition.
import { describe, expect, test } from '@jest/globals'
import { isTidemarkError, stageId } from '@tidemark/base'
import * as fc from 'fast-check'
import { assignedPartitions, formatRun, parseRun } from './run.ts'
import type { RunRecord, RunStage } from './run.ts'
import { runRecord } from './samples/run.ts'

const failure = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (isTidemarkError(error)) return `${error.code} ${error.message}`
    throw error
  }
  return 'nothing thrown'
}
const parsed = (change: (record: { -readonly [K in keyof RunRecord]: unknown }) => void): string => failure(() => {
  const record = structuredClone(runRecord)
  change(record)
  return parseRun(JSON.stringify(record), 'file')
})

describe('run record', () => {
  test('round trip', () => {
    expect(parseRun(formatRun(runRecord), 'file')).toEqual(runRecord)
  })
  test('wrong: every mistake is told in one answer, with its path', () => {
    const message = parsed((record) => {
      record.run = 0
      record.planHash = 'x'
      record.stages = [{ stage: 's0', partitions: 'many', inputs: [{ input: 'a', kind: 'queue', topic: 't', partitions: 1 }] }]
    })
    expect(message).toMatch(/^RUN_RECORD_INVALID/)
    for (const path of ['run is 0', 'planHash is "x"', 'stages[0].partitions is "many"', 'stages[0].inputs[0].kind is "queue"']) expect(message).toContain(path)
  })
  test('wrong: what does not fit together is told', () => {
    expect(parsed((record) => { record.shuffles = [] })).toContain('input s0-keyBy:user of s1 is not what shuffles say')
    expect(parsed((record) => { record.job = 'others' })).toContain('bundle.key')
    expect(parsed((record) => { record.from = { run: 9, checkpoint: 1, manifest: 'm' } })).toContain('from.run is 9, not below 2')
    expect(parsed((record) => { record.stages = [] })).toContain('stages is empty')
  })
  test('wrong: no JSON, no object, a newer format', () => {
    expect(failure(() => parseRun('{', 'file'))).toMatch(/^RUN_RECORD_INVALID .*no JSON/s)
    expect(failure(() => parseRun('[]', 'file'))).toMatch(/^RUN_RECORD_INVALID/)
    expect(parsed((record) => { record.formatVersion = 2 })).toMatch(/^RUN_RECORD_TOO_NEW/)
  })
  test('assigned: every source partition has exactly one task, p mod N', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), (tasks, partitions) => {
      const stage: RunStage = { stage: stageId(0), partitions: tasks, inputs: [{ input: 'source:a', kind: 'topic', topic: 'a', partitions }] }
      const all = Array.from({ length: tasks }, (_, task) => assignedPartitions(stage, task).map(({ partition }) => ({ task, partition }))).flat()
      expect(all.map(({ partition }) => partition).toSorted((a, b) => a - b)).toEqual(Array.from({ length: partitions }, (_, p) => p))
      expect(all.every(({ task, partition }) => partition % tasks === task)).toBe(true)
    }))
  })
  test('assigned: a file is its path, a shuffle the partition of the task, a task beyond the stage a mistake', () => {
    const stage: RunStage = { stage: stageId(0), partitions: 2, inputs: [{ input: 'source:f', kind: 'file', topic: 'f', partitions: 3, files: ['a', 'b', 'c'] }] }
    expect(assignedPartitions(stage, 0).map(({ topic, partition }) => [topic, partition])).toEqual([['a', 0], ['c', 0]])
    expect(assignedPartitions(runRecord.stages[1] as RunStage, 1)).toEqual([{ input: 's0-keyBy:user', kind: 'shuffle', topic: 'tidemark.orders.2.shuffle.s0-keyBy_3a_user', partition: 1 }])
    expect(() => assignedPartitions(stage, 2)).toThrow('none is 2')
  })
})
