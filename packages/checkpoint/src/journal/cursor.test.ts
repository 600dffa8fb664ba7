// Reading a journal record by record: where it stops, what it refuses, and that owners and chain are folded on the way.
import { describe, expect, test } from '@jest/globals'
import { TidemarkError } from '@tidemark/base'
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
  test.each([
    ['before', 'mine hole higher hole first second hole', 4, 6],
    ['between the parts of', 'mine hole first higher second hole hole', 2, 5],
  ])('R2: the claim of a higher generation %s an own record, jumped over → read before the next own claim is decided on: that is withdrawn', async (_, journal, offset, next) => {
    const [again, own] = [stamp('B', 2, 1), commit(B, 1, [], Buffer.alloc(1_000_000))]
    const [mine, higher, first, second] = values(claim(B, 'mine'), claim(stamp('C', 3)), own)
    const log = [...journal.split(' ').map((name) => ({ mine, higher, first, second })[name] ?? 'hole' as const), ...values(claim(again, 'again'))]
    const decided = async (read: boolean) => {
      const cursor = cursorAt()
      await readAll(cursor, readerOf(log, 1), 1)
      cursor.passed(own, offset, next, { parts: 2, ends: true })
      await readAll(cursor, readerOf(log, 1), 8)
      if (read) expect(await cursor.readJumped(readerOf(log, 1), 0)).toBe(true)
      return afterClaim(cursor.view, again, new Set(), { nonce: 'again', offset: 7 }, ALL_RULES)
    }
    expect(await decided(false)).toMatchObject({ kind: 'own' })
    expect(await decided(true)).toMatchObject({ kind: 'withdraw', because: expect.stringContaining('has generation 1.3') })
  })
  test('R2: between the parts of an own record stands another\'s, and then somebody took over and committed → the own parts are not taken for anybody\'s, the claim is withdrawn', async () => {
    const [again, own, C] = [stamp('B', 2, 1), commit(B, 1, [], Buffer.alloc(1_000_000)), stamp('C', 3)]
    const [first, second] = encodeRecord(own) as [Buffer, Buffer]
    const log = [...values(claim(B, 'mine')), first, ...values(claim(A)), second, ...values(claim(C), commit(C, 2), claim(again, 'again'))]
    const cursor = cursorAt()
    await readAll(cursor, readerOf(log, 1), 1)
    cursor.passed(own, 1, 4, { parts: 2 })
    await readAll(cursor, readerOf(log, 1), 7)
    expect(await cursor.readJumped(readerOf(log), 0)).toBe(true)
    expect(cursor.hasJumped).toBe(false)
    expect(afterClaim(cursor.view, again, new Set(), { nonce: 'again', offset: 6 }, ALL_RULES)).toMatchObject({ kind: 'withdraw', because: expect.stringContaining('has generation 1.3') })
  })
  test('what was jumped over: not answered → asked again; trimmed → nobody claims there; a lower claim has lost; a batch of another → a broken invariant; ends of own transactions are not read', async () => {
    const jumped = (...between: (Buffer | 'hole')[]): readonly [JournalCursor, (Buffer | 'hole')[]] => {
      const cursor = cursorAt(0)
      cursor.passed(commit(B, 1), 0, 1, { ends: true })
      cursor.passed(commit(B, 2), 1 + between.length, 2 + between.length, { ends: true })
      return [cursor, [...values(commit(B, 1)), ...between, ...values(commit(B, 2)), 'hole']]
    }
    const refused: LogReader = { fetch: () => Promise.reject(new TidemarkError('trimmed', { code: 'LOG_OUT_OF_RANGE', blame: 'environment', action: 'fail-job' })), close: async () => {} }
    const [late, log] = jumped('hole', ...values(claim(A)), 'hole')
    expect(await late.readJumped(readerOf([]), 0)).toBe(false)
    expect(await late.readJumped(readerOf(log), 0)).toBe(true)
    expect([...late.view.ids.keys()]).toEqual([B.transactionalId])
    expect(await jumped(...values(claim(stamp('C', 3))), 'hole')[0].readJumped(refused, 0)).toBe(true)
    const [robbed, stolen] = jumped('hole', ...values(commit(stamp('C', 3), 2)))
    await expect(robbed.readJumped(readerOf(stolen), 0)).rejects.toMatchObject({ code: 'INVARIANT_BROKEN' })
    expect(await jumped('hole')[0].readJumped(refused, 0)).toBe(true)
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
