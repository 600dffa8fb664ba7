import { expect, test } from '@jest/globals'
import { jobId } from '@tidemark/base'
import { formatDefinition, parseDefinition } from './definition.ts'
import type { Definition } from './definition.ts'

const JOB = jobId('orders')
const running: Definition = { formatVersion: 1, job: JOB, run: 3, desired: 'running', state: 'started', submittedAt: 1_700_000_000_000, epoch: 5 }
const drained: Definition = { ...running, desired: 'cancelled', state: 'cancelled', drain: true, finalCheckpoint: 7, error: { code: 'C', message: 'm', blame: 'user', action: 'fail-job' } }

test('definition, written and read → the same; one value a line', () => {
  for (const definition of [running, drained]) expect(parseDefinition(formatDefinition(definition), JOB)).toEqual(definition)
  expect(formatDefinition(running).toString()).toBe('{\n  "formatVersion": 1,\n  "job": "orders",\n  "run": 3,\n  "desired": "running",\n  "state": "started",\n  "submittedAt": 1700000000000,\n  "epoch": 5\n}\n')
})

test('definition, damaged, of another job or of a newer engine → none', () => {
  const wrong: readonly Record<string, unknown>[] = [
    { formatVersion: 2 }, { job: 'other' }, { run: '3' }, { run: 1.5 }, { run: undefined }, { desired: 'paused' }, { state: 'running' }, { state: undefined }, { submittedAt: 'today' }, { epoch: undefined }, { drain: 'yes' }, { finalCheckpoint: '7' },
  ]
  for (const change of wrong) expect([change, parseDefinition(JSON.stringify({ ...drained, ...change }), JOB)]).toEqual([change, undefined])
  for (const text of ['', '{', 'null', '[]', '3']) expect(parseDefinition(text, JOB)).toBeUndefined()
})
