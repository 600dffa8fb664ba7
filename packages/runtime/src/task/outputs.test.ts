// How a batch's records are cut into append entries.
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { APPEND_BYTES_MAX, APPEND_RECORDS_MAX, Outputs } from './outputs.ts'

describe('outputs', () => {
  test('appends: every record once, in order, each entry within both limits unless it is one record', () => {
    const sizes = fc.array(fc.oneof({ weight: 20, arbitrary: fc.nat({ max: 2_000 }) }, fc.integer({ min: 100_000, max: 1_200_000 })), { maxLength: 40, size: 'max' })
    fc.assert(fc.property(sizes, fc.nat({ max: 3_000 }), fc.constantFrom('x', 'é', '€'), (large, small, char) => {
      const outputs = new Outputs()
      const [, list] = outputs.topic('t', 2)
      const values = [...large.map((size) => char.repeat(size / Buffer.byteLength(char))), ...Array.from({ length: small }, (_, i) => String(i))]
      for (const value of values) list?.push({ key: 'k', value })
      const appends = outputs.appends()
      expect(appends.flatMap((append) => append.records.map((record) => record.value))).toEqual(values)
      for (const { topic, partition, records } of appends) {
        expect([topic, partition]).toEqual(['t', 1])
        expect(records.length).toBeLessThanOrEqual(APPEND_RECORDS_MAX)
        if (records.length > 1) expect(records.reduce((bytes, record) => bytes + Buffer.byteLength(record.value ?? ''), 0)).toBeLessThanOrEqual(APPEND_BYTES_MAX)
      }
      outputs.clear()
      expect(outputs.appends()).toEqual([])
    }), { numRuns: 30 })
  })
})
