// Snapshot objects and in-flight blocks: round trip, limits, damage, versions; formats of earlier releases stay readable.
import { describe, expect, test } from '@jest/globals'
import { createCipheriv, createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isTidemarkError } from '@tidemark/base'
import * as fc from 'fast-check'
import { decodeBlock } from '../records/blocks.ts'
import { RecordAssembler } from '../records/codec.ts'
import { frame } from '../records/framing.ts'
import type { ObjectRef } from '../records/records.ts'
import { commit, snapshot, stamp, task } from '../samples/records.ts'
import { parseManifest } from '../manifest.ts'
import { parseRun } from '../run.ts'
import { decodeSnapshot, encodeSnapshot } from './format.ts'
import type { SnapshotHeader } from './format.ts'
import { InFlightDecoder, InFlightEncoder } from './in-flight.ts'
import type { InFlightBlock } from './in-flight.ts'
import { OBJECT_BYTES_MAX } from './objects.ts'
import type { EncodedObject } from './objects.ts'

const header: SnapshotHeader = { ...stamp('A', 3), task, checkpoint: 7, batchId: 40, keys: 3, schemas: { totals: 2 } }
const bodies = (objects: readonly EncodedObject[]): Buffer[] => objects.map(({ body }) => body)
const refsOf = (of: readonly Buffer[]): ObjectRef[] => of.map((body, i) => ({ key: `o${i}`, sizeBytes: body.length, sha256: createHash('sha256').update(body).digest('hex') }))
const codeOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (isTidemarkError(error)) return error.code
    throw error
  }
  return 'nothing thrown'
}
/** Bytes that don't compress, the same each time. */
const noise = (length: number): Buffer => createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(length))
const packed = (blocks: readonly InFlightBlock[]): EncodedObject[] => {
  const encoder = new InFlightEncoder()
  for (const block of blocks) encoder.add(block)
  return encoder.finish()
}
const unpacked = (of: readonly Buffer[], refs: readonly ObjectRef[]): InFlightBlock[] => {
  const decoder = new InFlightDecoder()
  const blocks = of.flatMap((body, i) => [...decoder.object(body, refs[i] as ObjectRef)])
  decoder.finish()
  return blocks
}
const fixture = (name: string): Buffer => readFileSync(new URL(`fixtures/${name}`, import.meta.url))

describe('snapshot format', () => {
  test('round trip: header and blocks, any of them', () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 500 }), { maxLength: 10 }), (list) => {
      const blocks = list.map((block) => Buffer.from(block))
      const objects = encodeSnapshot(header, blocks)
      expect(decodeSnapshot(bodies(objects), refsOf(bodies(objects)))).toEqual({ header, blocks })
      expect(objects.map(({ sha256 }) => sha256)).toEqual(refsOf(bodies(objects)).map(({ sha256 }) => sha256))
    }), { numRuns: 50 })
  })
  test('limit: much state is several objects below the limit, a block larger than one is cut', () => {
    const blocks = [noise(34_000_000), Buffer.alloc(0), noise(1_000)]
    const objects = encodeSnapshot(header, blocks)
    expect(objects.length).toBeGreaterThan(1)
    for (const { body } of objects) expect(body.length).toBeLessThanOrEqual(OBJECT_BYTES_MAX)
    const read = decodeSnapshot(bodies(objects), refsOf(bodies(objects))).blocks
    expect(read.map((block, i) => block.equals(blocks[i] as Buffer))).toEqual([true, true, true])
  })
  test('damage: another length, other bytes, an object missing, swapped or doubled', () => {
    const objects = bodies(encodeSnapshot(header, [noise(34_000_000)]))
    const refs = refsOf(objects)
    const flipped = Buffer.from(objects[0] as Buffer)
    flipped.writeUInt8(flipped.readUInt8(1_000) ^ 1, 1_000)
    for (const damaged of [[flipped, ...objects.slice(1)], [(objects[0] as Buffer).subarray(1), ...objects.slice(1)], objects.slice(1), objects.toReversed(), [...objects, objects[0] as Buffer]]) {
      expect(codeOf(() => decodeSnapshot(damaged, refs))).toBe('SNAPSHOT_CORRUPT')
      // With references made for the damaged bytes, the format itself sees it.
      expect(codeOf(() => decodeSnapshot(damaged, refsOf(damaged)))).toBe('SNAPSHOT_CORRUPT')
    }
  })
  test('damage: any changed byte of a small one, though its reference fits', () => {
    const [whole] = bodies(encodeSnapshot(header, [Buffer.from('state')])) as [Buffer]
    fc.assert(fc.property(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Buffer.from(whole)
      damaged.writeUInt8(damaged.readUInt8(at) ^ flip, at)
      expect(codeOf(() => decodeSnapshot([damaged], refsOf([damaged])))).toMatch(/^SNAPSHOT_(CORRUPT|TOO_NEW)$/)
    }))
  })
  test('metadata, versions: a newer engine\'s checkpoint is refused, by its own name', () => {
    const framed = frame({ what: 'x', version: 2, corrupt: 'x', tooNew: 'x' }, { kind: 33, part: 0, parts: 1, number: 0 }, Buffer.alloc(0), [Buffer.from('?')])
    const length = Buffer.alloc(4)
    length.writeUInt32BE(framed.length)
    const body = Buffer.concat([length, framed])
    expect(codeOf(() => decodeSnapshot([body], refsOf([body])))).toBe('SNAPSHOT_TOO_NEW')
  })
  test('in-flight blocks: round trip in order; none are no object; a snapshot is none', () => {
    const blocks = [{ input: 's0-a', value: noise(100) }, { input: 's0-b', value: noise(5_000_000) }, { input: 's0-a', value: Buffer.from('x') }]
    const objects = bodies(packed(blocks))
    expect(unpacked(objects, refsOf(objects)).map(({ input, value }, i) => [input, value.equals(blocks[i]?.value as Buffer)])).toEqual(blocks.map(({ input }) => [input, true]))
    expect(packed([])).toEqual([])
    expect(unpacked([], [])).toEqual([])
    const other = bodies(encodeSnapshot(header, []))
    expect(codeOf(() => unpacked(other, refsOf(other)))).toBe('IN_FLIGHT_CORRUPT')
  })
  test('in-flight blocks: objects are there as soon as they are full, and are unpacked one at a time, a block across two of them', () => {
    const blocks = Array.from({ length: 6 }, (_, i) => ({ input: 's0-a', value: noise(7_000_000 + i) }))
    const encoder = new InFlightEncoder()
    const taken = blocks.map((block) => {
      encoder.add(block)
      return encoder.take()
    })
    expect(taken.map((objects) => objects.length)).toEqual([0, 0, 0, 0, 1, 0])
    const objects = bodies([...taken.flat(), ...encoder.finish()])
    expect(objects).toHaveLength(2)
    for (const body of objects) expect(body.length).toBeLessThanOrEqual(OBJECT_BYTES_MAX)
    expect(unpacked(objects, refsOf(objects)).map(({ value }, i) => value.equals(blocks[i]?.value as Buffer))).toEqual(blocks.map(() => true))
    expect(codeOf(() => unpacked(objects.slice(0, 1), refsOf(objects)))).toBe('IN_FLIGHT_CORRUPT')
    expect(codeOf(() => unpacked(objects.slice(1), refsOf(objects.slice(1))))).toBe('IN_FLIGHT_CORRUPT')
  })
})

describe('metadata, versions: an older engine\'s checkpoint (format 1) is read', () => {
  test('snapshot, in-flight blocks, journal record, shuffle block', () => {
    const stored = fixture('v1.snapshot')
    expect(decodeSnapshot([stored], refsOf([stored]))).toEqual({ header, blocks: [Buffer.from('first block'), Buffer.from('second block')] })
    const inFlight = fixture('v1.in-flight')
    expect(unpacked([inFlight], refsOf([inFlight])).map(({ input }) => input)).toEqual(['s0-keyBy:user'])
    expect(new RecordAssembler().push(fixture('v1.journal-record'), 7)?.record).toEqual(commit(stamp('A', 3), 41, [snapshot(stamp('A', 3), 7, 40, 55)], Buffer.from('after-images')))
    expect(decodeBlock(fixture('v1.shuffle-block'))).toMatchObject({ stage: 's0', partition: 1, batchId: 41, watermark: 1_000, keys: ['u1', 'u2'], values: [{ user: 'u1', amount: 17 }, { user: 'u2', amount: 4 }] })
  })
  test('manifest and run record', () => {
    expect(parseManifest(fixture('v1.manifest.json'), 'v1').parts).toHaveLength(4)
    expect(parseRun(fixture('v1.run.json'), 'v1').stages).toHaveLength(2)
  })
})
