// Reading a journal record by record: where it stops, what it refuses, and that owners and chain are folded on the way.
import { describe, expect, test } from '@jest/globals'
import type { FetchedPartition, LogReader, LogRecord } from '@tidemark/base'
import { chainAfter, emptyChain } from '../ownership/chain.ts'
import { afterClaim } from '../ownership/decide.ts'
import { encodeRecord } from '../records/codec.ts'
import type { JournalRecord } from '../records/records.ts'
import { claim, commit, release, snapshot, stamp, task } from '../samples/records.ts'
import { ALL_RULES } from '../rules.ts'
import { JournalCursor } from './cursor.ts'
import type { PlacedRecord } from './cursor.ts'

const [A, B] = [stamp('A', 1), stamp('B', 2)]
const large = Buffer.alloc(2_000_000)

/** A log partition of these values; a hole is a control record. Answers at most `atOnce` offsets a fetch. */
const readerOf = (values: readonly (Buffer | 'hole' | null)[], atOnce = 2, shift = 0): LogReader => ({
  fetch: async ([request]) => {
    const from = request?.offset ?? 0
    const records = values.slice(from, from + atOnce).flatMap((value, i): LogRecord[] => (value === 'hole' ? [] : [{ offset: from + i, timestamp: 0, key: null, value }]))
    const answer: FetchedPartition = { topic: 'j', partition: task.partition, fromOffset: from + shift, records, nextOffset: Math.min(from + atOnce, values.length), startOffset: 0, stableOffset: values.length }
    return from >= values.length ? [] : [answer]
  },
  close: async () => {},
})
const values = (...records: readonly JournalRecord[]): Buffer[] => records.flatMap(encodeRecord)
/** Fetch after fetch, as whoever reads a journal does. */
const readAll = async (cursor: JournalCursor, reader: LogReader, upTo: number): Promise<PlacedRecord[]> => {
  const placed: PlacedRecord[] = []
  for (let before = -1; before < cursor.next && cursor.next < upTo;) {
    before = cursor.next
    placed.push(...await cursor.read(reader, upTo))
  }
  return placed
}
const cursorAt = (begin = 0, chain = emptyChain()): JournalCursor => new JournalCursor(task, 'j', begin, chain)

describe('journal cursor', () => {
  test('reads whole records across fetches and holes, folds owners and chain', async () => {
    const cursor = cursorAt()
    const placed = await readAll(cursor, readerOf([...values(claim(A)), 'hole', ...values(commit(A, 1), commit(A, 2, [], large)), 'hole']), 100)
    expect(placed.map(({ record, offset, next }) => [record.kind, offset, next])).toEqual([['claim', 0, 1], ['commit', 2, 3], ['commit', 3, 6]])
    expect([cursor.next, cursor.recordNext, cursor.chain.batchId]).toEqual([7, 6, 2])
    expect([...cursor.view.ids.keys()]).toEqual([A.transactionalId])
  })
  test('goes on behind a snapshot, and sees a hole there', async () => {
    const list = values(claim(A), commit(A, 8), commit(A, 9))
    expect((await readAll(cursorAt(2, chainAfter(snapshot(A, 1, 8, 2))), readerOf(list), 100)).length).toBe(1)
    await expect(readAll(cursorAt(2, chainAfter(snapshot(A, 1, 7, 2))), readerOf(list), 100)).rejects.toThrow('batch 8 must follow, the journal has 9')
  })
  test('what a fetch brought is decoded a record at a turn: `next` stands until all are taken, and they are the same', async () => {
    const list = values(claim(A), commit(A, 1), commit(A, 2))
    const cursor = cursorAt()
    const seen: (readonly [next: number, recordNext: number, batchId: number])[] = []
    const placed = await cursor.read(readerOf(list, 3), 100, 0, async (steps) => {
      for (const _ of steps) {
        seen.push([cursor.next, cursor.recordNext, cursor.chain.batchId])
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    expect(seen).toEqual([[0, 1, 0], [0, 2, 1], [0, 3, 2]])
    expect([cursor.next, placed.map(({ offset }) => offset)]).toEqual([3, [0, 1, 2]])
  })
  test('an answer that does not continue the position, or a record without a value, is a broken invariant', async () => {
    await expect(readAll(cursorAt(), readerOf(values(claim(A)), 2, 1), 100)).rejects.toThrow('asked the journal for offset 0, got 1')
    await expect(readAll(cursorAt(), readerOf([null]), 100)).rejects.toThrow('without a value at j/2@0')
  })
  test('a damaged record behind a first good fetch is told as damage, and what came before it was given', async () => {
    const damaged = Buffer.from(encodeRecord(commit(A, 3))[0] ?? [])
    damaged.subarray(-4).fill(0xff)
    const cursor = cursorAt()
    const reader = readerOf([...values(claim(A), commit(A, 1), commit(A, 2)), damaged])
    expect(await cursor.read(reader, 100)).toMatchObject([{ offset: 0 }, { offset: 1 }])
    await expect(cursor.read(reader, 100)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT', place: { offset: 3 } })
  })
  test('behind the own record it goes on even when another\'s record came between its parts', async () => {
    const [first, second, third] = encodeRecord(commit(A, 1, [], large)) as [Buffer, Buffer, Buffer]
    const log = [first, ...values(claim(B)), second, third, ...values(commit(A, 2))]
    const cursor = cursorAt()
    // The log's answer tells the first offset only.
    cursor.passed(commit(A, 1, [], large), 0, 3)
    expect((await readAll(cursor, readerOf(log), 100)).map(({ record }) => record.kind)).toEqual(['commit'])
    expect(cursor.chain.batchId).toBe(2)
    // A record that is really missing is still seen.
    await expect(readAll(cursorAt(2), readerOf(log), 100)).rejects.toThrow('batch 1 must follow, the journal has 2')
  })
  test('R7: a loser\'s claim read behind the own one, and its release jumped over → the next own claim fences nobody', async () => {
    const again = stamp('B', 2, 1)
    const log = values(claim(B, 'mine'), claim(A), release(A), commit(B, 1), claim(again, 'again'))
    const cursor = cursorAt()
    await readAll(cursor, readerOf(log.slice(0, 2)), 1)
    expect([...cursor.view.ids.keys()]).toContain(A.transactionalId)
    cursor.passed(commit(B, 1), 3, 4)
    await readAll(cursor, readerOf(log), 5)
    expect(afterClaim(cursor.view, again, new Set(), { nonce: 'again', offset: 4 }, ALL_RULES).kind).toBe('own')
  })
  test('R3: whoever claimed before the own claim, or is no loser, is not forgotten by passing an own record', async () => {
    const cursor = cursorAt()
    await readAll(cursor, readerOf(values(claim(A), claim(B, 'mine'), claim(stamp('C', 3)))), 3)
    cursor.passed(commit(B, 1), 3, 4)
    expect([...cursor.view.ids.keys()]).toEqual([A.transactionalId, B.transactionalId, stamp('C', 3).transactionalId])
  })
  test('stops at the asked offset and at the end of what is committed', async () => {
    const cursor = cursorAt()
    const reader = readerOf(values(claim(A), commit(A, 1), commit(A, 2)), 1)
    expect(await readAll(cursor, reader, 2)).toHaveLength(2)
    expect(await readAll(cursor, reader, 2)).toHaveLength(0)
    expect(await readAll(cursor, reader, 50)).toHaveLength(1)
  })
})
