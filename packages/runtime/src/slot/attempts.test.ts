import { expect, test } from '@jest/globals'
import { transactionalId } from '@tidemark/base'
import { emptyBooks, planTakeover } from '@tidemark/checkpoint'
import type { CommitRecord, SnapshotRef } from '@tidemark/checkpoint'
import { Attempts } from './attempts.ts'
import { fixture } from './slot.sample.ts'

const { held, options: { owner } } = fixture()
const options = { run: { ...fixture().options.run, from: null } }
const stamp = { generation: held.generation, owner, transactionalId: transactionalId('t.0') }
const snapshot = (checkpoint: number): SnapshotRef => ({ ...stamp, checkpoint, batchId: checkpoint, journalNext: checkpoint * 10, positions: [], keys: 0, objects: [] })
const naming = (...checkpoints: number[]): { readonly newest: CommitRecord, readonly start: number } => ({
  start: 10,
  newest: { kind: 'commit', task: held.ref, timestamp: 0, ...stamp, engineVersion: '0.1.0', jobVersion: '1', snapshots: checkpoints.map(snapshot), content: { batchId: 40, positions: [], upstreams: [], idle: false, state: Buffer.alloc(0), books: emptyBooks, totals: emptyBooks, outbox: { entries: 0, bytes: 0 } } },
})

test('attempts: a newer commit record that names one snapshot more became visible → that one is tried, and not taken for the one that was no good', () => {
  const attempts = new Attempts()
  attempts.see(naming(2), options)
  attempts.tried.push('no-good')
  const { newest, start } = naming(3, 2)
  attempts.see({ newest, start }, options)
  expect(planTakeover(newest, null, start, attempts.tried)).toMatchObject({ kind: 'try', start: { ref: { checkpoint: 3 } } })
})

test('attempts: the same ways again → the one that was no good is left out, until all are told to be tried anew', () => {
  const attempts = new Attempts()
  attempts.see(naming(3, 2), options)
  attempts.tried.push('no-good')
  const { newest, start } = naming(3, 2)
  attempts.see({ newest, start }, options)
  expect(planTakeover(newest, null, start, attempts.tried)).toMatchObject({ kind: 'try', start: { ref: { checkpoint: 2 } } })
  attempts.clear()
  expect(planTakeover(newest, null, start, attempts.tried)).toMatchObject({ kind: 'try', start: { ref: { checkpoint: 3 } } })
})

test('attempts: what was tried and is no good is known as such, what could not be reached is not, and neither is what another list of ways said', () => {
  const attempts = new Attempts()
  const numbers = (): number[] => attempts.noGood.map(({ checkpoint }) => checkpoint)
  attempts.see(naming(3, 2), options)
  attempts.tried.push('no-good')
  expect(numbers()).toEqual([3])
  attempts.tried.push('unreachable')
  expect(numbers()).toEqual([3])
  attempts.see(naming(4, 3), options)
  expect(numbers()).toEqual([])
})
