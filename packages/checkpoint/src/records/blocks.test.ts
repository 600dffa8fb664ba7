// Shuffle blocks: round trip, limits, marks, damage.
import { describe, expect, test } from '@jest/globals'
import { isTidemarkError } from '@tidemark/base'
import * as fc from 'fast-check'
import { BLOCK_BYTES_MAX, decodeBlock, encodeBlocks } from './blocks.ts'
import type { BlockHeader, ShuffleRecord } from './blocks.ts'

const header: BlockHeader = { stage: 's0', partition: 3, batchId: 12, generation: { epoch: 2, counter: 5 }, watermark: 1_700_000_000_000, idle: false }
const codeOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (isTidemarkError(error)) return error.code
    throw error
  }
  return 'nothing thrown'
}
const recordsOf = (blocks: readonly Buffer[]): ShuffleRecord[] =>
  blocks.map((block) => decodeBlock(block)).flatMap(({ keys, values, timestamps }) => keys.map((key, i) => ({ key, value: values[i], timestamp: timestamps[i] as number })))

const noProto = (value: unknown): boolean => !JSON.stringify(value)?.includes('__proto__')
const anyValue = fc.oneof(fc.jsonValue(), fc.date({ noInvalidDate: true }), fc.bigInt()).filter((value) => typeof value === 'bigint' || noProto(value)).map((value) => (Object.is(value, -0) ? 0 : value))

describe('shuffle blocks', () => {
  test('round trip: keys, values and times come back in order', () => {
    const records = fc.array(fc.record({ key: fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer()), value: anyValue, timestamp: fc.double({ noNaN: true }) }), { maxLength: 30 })
    fc.assert(fc.property(records, (list) => {
      // JSON has no -0 of its own here: msgpack writes an integer for it.
      const plain = list.filter(({ value }) => !JSON.stringify(value, (_name, inner: unknown) => (typeof inner === 'bigint' ? 'n' : Object.is(inner, -0) ? 'minus zero' : inner))?.includes('minus zero'))
      expect(recordsOf(encodeBlocks(header, plain))).toEqual(plain)
    }))
  })
  test('round trip: Map, Set, bytes, undefined and bigint are what they were', () => {
    const value = { map: new Map([['k', { n: 1 }]]), set: new Set([1, 'two']), bytes: Buffer.from('raw'), none: undefined, big: 2n ** 70n, at: new Date(5) }
    expect(recordsOf(encodeBlocks(header, [{ key: '__proto__', value, timestamp: 1 }]))).toEqual([{ key: '__proto__', value, timestamp: 1 }])
  })
  test('mark: without records there is one block that carries only watermark and idleness', () => {
    const blocks = encodeBlocks({ ...header, idle: true }, [])
    expect(blocks).toHaveLength(1)
    const { timestamps, ...rest } = decodeBlock(blocks[0] as Buffer)
    expect(timestamps).toHaveLength(0)
    expect(rest).toEqual({ ...header, idle: true, index: 0, count: 1, keys: [], values: [] })
    const { watermark: _watermark, ...before } = header
    expect(decodeBlock(encodeBlocks(before, [])[0] as Buffer).watermark).toBeUndefined()
  })
  test('limit: a large batch is several blocks, and only the last moves the watermark', () => {
    const records = Array.from({ length: 30_000 }, (_, i): ShuffleRecord => ({ key: `u${i}`, value: { user: `u${i}`, text: 'x'.repeat(i % 211) }, timestamp: i }))
    const blocks = encodeBlocks({ ...header, idle: true }, records)
    expect(blocks.length).toBeGreaterThan(3)
    for (const block of blocks) expect(block.length).toBeLessThanOrEqual(BLOCK_BYTES_MAX)
    expect(recordsOf(blocks)).toEqual(records)
    const read = blocks.map((block) => decodeBlock(block))
    expect(read.map(({ index, count }) => [index, count])).toEqual(blocks.map((_, i) => [i, blocks.length]))
    expect(read.map(({ watermark, idle }) => [watermark, idle])).toEqual([...blocks.slice(1).map(() => [undefined, false]), [header.watermark, true]])
  })
  test('limit: one record larger than a block is refused with its key', () => {
    expect(codeOf(() => encodeBlocks(header, [{ key: 'small', value: 1, timestamp: 1 }, { key: 'large', value: 'x'.repeat(BLOCK_BYTES_MAX), timestamp: 1 }]))).toBe('BLOCK_RECORD_TOO_LARGE')
  })
  test('values: a property named __proto__ would come back renamed, so it is refused', () => {
    const value: unknown = JSON.parse('{"deep":[{"__proto__":{"x":1}}]}')
    expect(codeOf(() => encodeBlocks(header, [{ key: 'k', value, timestamp: 1 }]))).toBe('BLOCK_VALUE_UNSUPPORTED')
  })
  test('damage: any changed byte is seen before anything is decoded', () => {
    const [whole] = encodeBlocks(header, [{ key: 'k', value: { a: 1 }, timestamp: 1 }]) as [Buffer]
    fc.assert(fc.property(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Buffer.from(whole)
      damaged.writeUInt8(damaged.readUInt8(at) ^ flip, at)
      expect(codeOf(() => decodeBlock(damaged, 7))).toMatch(/^BLOCK_(CORRUPT|TOO_NEW)$/)
    }))
  })
})
