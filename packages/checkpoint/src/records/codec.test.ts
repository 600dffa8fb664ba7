// Journal records as bytes: round trip, parts, damage, versions, limits.
import { describe, expect, test } from '@jest/globals'
import { isTidemarkError } from '@tidemark/base'
import * as fc from 'fast-check'
import { claim, commit, content, driverStamp, ended, release, snapshot, stamp } from '../samples/records.ts'
import { encodeRecord, peekRecord, RECORD_PART_BYTES_MAX, RecordAssembler } from './codec.ts'
import type { CommitRecord, JournalRecord } from './records.ts'

const codeOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (isTidemarkError(error)) return `${error.code}@${error.place.offset}`
    throw error
  }
  return 'nothing thrown'
}
const readAll = (parts: readonly Buffer[], first = 0, assembler = new RecordAssembler()): JournalRecord[] =>
  parts.flatMap((part, i) => assembler.push(part, first + i)?.record ?? [])

const word = fc.string({ unit: 'grapheme', maxLength: 12 })
const anyStamp = fc.record({ name: word, counter: fc.nat(), id: fc.nat(), epoch: fc.nat() }).map(({ name, counter, id, epoch }) => stamp(name, counter, id, epoch))
const anyCommit = fc.record({ by: anyStamp, batchId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), state: fc.uint8Array({ maxLength: 300 }), watermark: fc.option(fc.integer(), { nil: undefined }), checkpoint: fc.nat() })
  .map(({ by, batchId, state, watermark, checkpoint }): CommitRecord => {
    const record = commit(by, batchId, [snapshot(by, checkpoint, batchId, 7)], Buffer.from(state))
    return watermark === undefined ? record : { ...record, content: { ...record.content, watermark } }
  })

describe('journal codec', () => {
  test('round trip: whatever is written is read, every kind', () => {
    fc.assert(fc.property(fc.oneof(anyCommit, anyStamp.map((by) => claim(by, 'x')), anyStamp.map(release), anyStamp.map(ended)), (record) => {
      const parts = encodeRecord(record)
      expect(parts).toHaveLength(1)
      expect(new RecordAssembler().push(parts[0] as Buffer, 41)).toEqual({ record, offset: 41, next: 42, bytes: parts[0]?.length })
      const { record: framed } = new RecordAssembler().pushFramed(parts[0] as Buffer, 41) ?? {}
      expect(framed?.kind === 'commit' ? framed.whole : framed).toEqual(record)
      expect(peekRecord(parts[0] as Buffer, 41)).toEqual({ kind: record.kind, generation: record.generation, owner: record.owner, transactionalId: record.transactionalId })
    }))
  })

  test('parts: a large state is cut into parts below the limit, others may write between them', () => {
    const by = stamp('A', 1)
    const state = Buffer.alloc(2_000_000, 'state of many keys ')
    const record = commit(by, 3, [], state)
    const parts = encodeRecord(record)
    expect(parts).toHaveLength(3)
    for (const part of parts) expect(part.length).toBeLessThanOrEqual(RECORD_PART_BYTES_MAX)
    const between = encodeRecord(claim(stamp('B', 2)))
    const assembler = new RecordAssembler()
    const found = [parts[0], between[0], parts[1], parts[2]].map((part, i) => assembler.push(part as Buffer, 10 + i))
    expect(found.map((one) => one && [one.record.kind, one.offset, one.next])).toEqual([undefined, ['claim', 11, 12], undefined, ['commit', 10, 14]])
    const read = found[3]?.record as CommitRecord
    // Compared as bytes: two megabytes element by element take seconds.
    expect(read.content.state.equals(state)).toBe(true)
    expect({ ...read, content: { ...read.content, state: 'same' } }).toEqual({ ...record, content: { ...record.content, state: 'same' } })
  })

  test('parts: what is just at a limit is one part, a byte more is two', () => {
    const by = stamp('A', 1)
    const overhead = encodeRecord(commit(by, 1, [], Buffer.alloc(100)))[0]?.length ?? 0
    const room = RECORD_PART_BYTES_MAX - (overhead - 100)
    expect(encodeRecord(commit(by, 1, [], Buffer.alloc(room)))).toHaveLength(1)
    expect(encodeRecord(commit(by, 1, [], Buffer.alloc(room + 1)))).toHaveLength(2)
  })

  test('parts: the state of a record in one part is a view of what was fetched, not a copy', () => {
    const part = encodeRecord(commit(stamp('A', 1), 1, [], Buffer.from('state')))[0] as Buffer
    const record = new RecordAssembler().push(part, 0)?.record as CommitRecord
    expect(record.content.state.buffer).toBe(part.buffer)
  })

  test('frames: whose a commit record is, which batch and its state are known without the rest, also where one owner follows another', () => {
    const [a, b] = [stamp('A', 1), stamp('B', 2)]
    const records = [commit(a, 1, [], Buffer.from('one')), commit(a, 2, [], Buffer.alloc(2_000_000, 'two ')), claim(b), commit(b, 3, [], Buffer.from('three'))]
    const assembler = new RecordAssembler()
    const framed = records.flatMap(encodeRecord).flatMap((part, i) => assembler.pushFramed(part, i) ?? [])
    expect(framed.map(({ record: { kind, generation, owner, transactionalId, ...record } }) => [kind, generation, owner, transactionalId, 'content' in record && record.content.batchId])).toEqual(
      records.map(({ kind, generation, owner, transactionalId, ...record }) => [kind, generation, owner, transactionalId, 'content' in record && record.content.batchId]))
    for (const [i, { record }] of framed.entries()) {
      const wanted = records[i]
      if (record.kind === 'commit' && wanted?.kind === 'commit') expect(record.content.state.equals(wanted.content.state)).toBe(true)
    }
  })

  test('damage: a lost, doubled, swapped or foreign part is refused with its offset', () => {
    const parts = encodeRecord(commit(stamp('A', 1), 3, [], Buffer.alloc(2_000_000))) as [Buffer, Buffer, Buffer]
    const next = encodeRecord(commit(stamp('A', 1), 4)) as [Buffer]
    expect(codeOf(() => readAll([parts[0], parts[2]]))).toBe('JOURNAL_CORRUPT@1')
    expect(codeOf(() => readAll([parts[0], parts[0]]))).toBe('JOURNAL_CORRUPT@1')
    expect(codeOf(() => readAll([parts[1]], 5))).toBe('JOURNAL_CORRUPT@5')
    expect(codeOf(() => readAll([parts[0], parts[1], ...next]))).toBe('JOURNAL_CORRUPT@2')
  })

  test('midway: a scan that begins inside a record passes over it, and then demands order again', () => {
    const parts = encodeRecord(commit(stamp('A', 1), 3, [], Buffer.alloc(2_000_000))) as [Buffer, Buffer, Buffer]
    const next = encodeRecord(commit(stamp('A', 1), 4)) as [Buffer]
    expect(readAll([parts[1], parts[2], ...next], 0, new RecordAssembler({ midway: true })).map((record) => (record as CommitRecord).content.batchId)).toEqual([4])
    expect(codeOf(() => readAll([parts[2], ...next, parts[1]], 0, new RecordAssembler({ midway: true })))).toBe('JOURNAL_CORRUPT@2')
  })

  test('damage: any changed byte is seen', () => {
    const whole = encodeRecord(commit(stamp('A', 1), 3, [], Buffer.from('some state'))) as [Buffer]
    fc.assert(fc.property(fc.nat({ max: whole[0].length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Buffer.from(whole[0])
      damaged.writeUInt8(damaged.readUInt8(at) ^ flip, at)
      expect(codeOf(() => readAll([damaged], 9))).toMatch(/^JOURNAL_(CORRUPT|TOO_NEW)@9$/)
    }))
  })

  test('damage: cut short or with something behind it', () => {
    const [whole] = encodeRecord(claim(stamp('A', 1))) as [Buffer]
    fc.assert(fc.property(fc.nat({ max: whole.length - 1 }), (length) => {
      expect(codeOf(() => readAll([whole.subarray(0, length)], 9))).toBe('JOURNAL_CORRUPT@9')
    }))
    expect(codeOf(() => readAll([Buffer.concat([whole, Buffer.alloc(1)])]))).toBe('JOURNAL_CORRUPT@0')
  })

  test('versions: a newer format is refused by its own name', () => {
    const [whole] = encodeRecord(claim(stamp('A', 1))) as [Buffer]
    whole.writeUInt8(2, 4)
    expect(codeOf(() => readAll([whole], 7))).toBe('JOURNAL_TOO_NEW@7')
  })

  test('limits: a record beyond the part limit is refused before it is written', () => {
    const huge = { ...commit(stamp('A', 1), 1), content: { ...content(1), state: Buffer.alloc(RECORD_PART_BYTES_MAX * 512) } }
    expect(codeOf(() => encodeRecord(huge))).toMatch(/^JOURNAL_RECORD_TOO_LARGE/)
    expect(codeOf(() => encodeRecord(claim(driverStamp('D', 1), 'n'.repeat(1_000_000))))).toMatch(/^JOURNAL_RECORD_TOO_LARGE/)
  })
})
