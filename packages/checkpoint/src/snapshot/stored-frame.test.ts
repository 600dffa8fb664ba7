import { describe, expect, test } from '@jest/globals'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { readStoredFrame, STORED_BYTES_MAX, storedFrame } from './stored-frame.ts'

const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => i * 7 % 256))

describe('a stored frame', () => {
  test.each([0, 1, 31, 32, 200, STORED_BYTES_MAX])('%i bytes → zstd reads them, and so do we', (length) => {
    const framed = storedFrame(bytes(length))
    expect(zstdDecompressSync(framed)).toEqual(bytes(length))
    expect(readStoredFrame(framed)).toEqual(bytes(length))
  })

  test('one that was compressed, or is cut, longer, or says another size → is none', () => {
    const framed = storedFrame(bytes(20))
    const otherSize = Buffer.from(framed)
    otherSize[5] = 21
    for (const other of [zstdCompressSync(Buffer.alloc(200)), framed.subarray(0, -1), framed.subarray(0, 8), Buffer.concat([framed, bytes(1)]), otherSize]) expect(readStoredFrame(other)).toBeUndefined()
  })
})
