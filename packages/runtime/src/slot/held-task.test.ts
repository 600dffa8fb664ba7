// How long the deaths before an owner count for it: until it has got away, with input or without.
import { describe, expect, test } from '@jest/globals'
import { executorId, slotId, transactionalId } from '@tidemark/base'
import { AWAY_AFTER_MS, emptyBooks, emptyChain, encodeRecord, JournalCursor, RecordAssembler } from '@tidemark/checkpoint'
import type { CommitRecord, JournalRecord, PlacedRecord } from '@tidemark/checkpoint'
import { count, job, json, topic, topicSink } from 'tidemark'
import { fixtureOf, standingClock } from '../task/task-fixture.ts'
import { HeldTask } from './held-task.ts'

const counting = job('orders').source('in', topic('in', { value: json<{ readonly user: string }>() })).keyBy((order) => order.user, { copartitioned: true })
  .aggregate('totals', { n: count() }, { emit: 'updates' }).sink('out', topicSink('out', { value: json() }))

/** One whose slot before died, with its claim written; `quiet` is what its task says of itself. */
const heir = (slotDied: boolean): { readonly held: HeldTask, readonly task: { quiet: boolean }, readonly clock: { at: number } } => {
  const clock = standingClock()
  const task = Object.defineProperty(Object.assign(fixtureOf(counting, { tasks: 1 }).task(0)), 'quiet', { value: true, writable: true })
  const held = new HeldTask(() => task, { epoch: 1, counter: 2 }, 'journal', clock)
  held.slotDied = slotDied
  held.claims({ executor: executorId('e'), slot: 0, slotId: slotId('s') })
  return { held, task, clock }
}

describe('deaths before a task without input', () => {
  test('it has nothing to do for as long as getting away takes → one batch that carries no count, and no second', () => {
    const { held, clock } = heir(true)
    expect(held.deaths).toEqual({ slots: 1, executors: 0 })
    held.worked()
    clock.at += AWAY_AFTER_MS - 1
    held.worked()
    expect(held.dirty).toBe(false)
    clock.at += 1
    expect(held.dirty).toBe(true)
    held.commits(0)
    expect([held.deaths, held.dirty]).toEqual([undefined, false])
  })

  test('it had something to do in between → the time begins anew', () => {
    const { held, task, clock } = heir(true)
    held.worked()
    clock.at += AWAY_AFTER_MS - 1
    task.quiet = false
    held.worked()
    task.quiet = true
    clock.at += 1
    held.worked()
    clock.at += AWAY_AFTER_MS - 1
    expect(held.dirty).toBe(false)
    held.commits(1)
    expect(held.deaths).toEqual({ slots: 1, executors: 0 })
  })

  test('nobody died before → it writes nothing', () => {
    const { held, clock } = heir(false)
    held.worked()
    clock.at += AWAY_AFTER_MS
    held.worked()
    expect(held.dirty).toBe(false)
  })
})

describe('deaths before a task with input', () => {
  /** Twenty-one batches, with the two inputs at these positions in each. */
  const deathsBehind = (positions: (batch: number) => readonly { readonly next: number, readonly idle?: boolean }[]): unknown => {
    const { held, task } = heir(true)
    for (let batch = 0; batch <= 21; batch += 1) {
      Object.assign(task, { content: () => ({ positions: positions(batch).map((position, partition) => ({ input: 'in', topic: 'in', partition, ...position })) }) })
      held.commits(1)
    }
    return held.deaths
  }

  test('twenty batches clear them', () => {
    expect(deathsBehind((batch) => [{ next: batch }, { next: batch }])).toBeUndefined()
    expect(deathsBehind((batch) => [{ next: batch }, { next: 7, idle: true }])).toBeUndefined()
  })

  test('one of its inputs has brought nothing yet → they say nothing of what lies there', () => {
    expect(deathsBehind((batch) => [{ next: batch }, { next: 7 }])).toEqual({ slots: 1, executors: 0 })
    expect(deathsBehind((batch) => [{ next: batch }, { next: batch < 15 ? 7 : 8 }])).toEqual({ slots: 1, executors: 0 })
  })
})

test('its run is drained → it fetches nothing; it stands, and its time for sinks begins, only when it has read what was in flight', () => {
  const { held, task, clock } = heir(false)
  const [input] = held.task.inputs()
  const reads = (inFlight: number | undefined): void => void Object.assign(task, { inputs: () => [{ ...input, inFlight }] })
  reads(3)
  held.drain.beginsLast(7, 120_000)
  expect([held.fetches, held.drain.stands, held.drain.delivers]).toEqual([false, false, true])
  clock.at += 3_600_000
  reads(undefined)
  held.worked()
  clock.at += 9_999
  expect([held.drain.stands, held.drain.delivers]).toEqual([true, true])
  held.cut()
  expect(held.drain.delivers).toBe(false)
})

test('takeover: its journal is read twice, for the first reading was from no good snapshot → what the owner before committed is counted once: it died at once, and is not taken to have got away', async () => {
  const { held: { ref } } = heir(false)
  const old = { task: ref, timestamp: 0, generation: { epoch: 1, counter: 1 }, owner: { executor: executorId('old'), slot: 0, slotId: slotId('old') }, transactionalId: transactionalId('old.0') }
  const batch = (batchId: number): CommitRecord => ({
    kind: 'commit', ...old, engineVersion: '0.1.0', jobVersion: '1', snapshots: [],
    content: { batchId, positions: [], upstreams: [], idle: false, state: Buffer.alloc(0), books: { ...emptyBooks, offsets: 1, records: 1, filtered: 1 }, totals: emptyBooks, outbox: { entries: 0, bytes: 0 } },
  })
  const journal: readonly JournalRecord[] = [{ kind: 'claim', ...old, nonce: 'n' }, ...[1, 2, 3, 4, 5, 6].map(batch)]
  const read = (): PlacedRecord[] => {
    const assembler = new RecordAssembler()
    return journal.flatMap((record, offset) => encodeRecord(record).flatMap((value) => assembler.pushFramed(value, offset) ?? []))
  }
  for (const readings of [1, 2]) {
    const held = new HeldTask(() => fixtureOf(counting, { tasks: 1 }).task(0), { epoch: 1, counter: 2 }, 'journal', standingClock())
    for (let i = 0; i < readings; i += 1) {
      held.startOver(new JournalCursor(ref, 'journal', 0, emptyChain()))
      await held.take(read())
    }
    held.claims({ executor: executorId('e'), slot: 0, slotId: slotId('s') })
    expect(held.deaths).toEqual({ slots: 0, executors: 1 })
  }
})
