// Keys: their checksum is zlib's, their text is compared as UTF-8.
import { crc32 } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { checkKey, keyChecksum, sameText, shufflePartition } from './keys.ts'

describe('keys', () => {
  test('checksum: equal to zlib\'s CRC-32 of the UTF-8, for any text', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' })), (text) => {
      expect(keyChecksum(text)).toBe(crc32(text))
    }))
    expect(shufflePartition(1, 7)).toBe(shufflePartition('1', 7))
  })
  test('same text: only for the very bytes', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
      expect(sameText(Buffer.from(a), a)).toBe(true)
      expect(sameText(Buffer.from(a), b)).toBe(Buffer.from(a).equals(Buffer.from(b)))
    }))
    expect(sameText(Buffer.from([0xe9]), 'é')).toBe(false)
  })
  test.each([null, undefined, NaN, Infinity, true, {}, 1n])('%p is no key', (key) => {
    expect(() => checkKey(key)).toThrow('a key must be')
  })
})
