// Keys: what may be one, their text, and the shuffle partition of one.
import { crc32 } from 'node:zlib'
import { TidemarkError } from '@tidemark/base'
import type { Key } from 'tidemark'

export const checkKey = (key: unknown): Key => {
  if (typeof key === 'string') {
    if (key.isWellFormed()) return key
    throw new TidemarkError(`a key must be text that UTF-8 can hold; ${JSON.stringify(shownKey(key))} has half of a surrogate pair`, {
      code: 'TASK_KEY_INVALID', blame: 'user', action: 'fail-job', hint: 'It would be another key once it was stored. Was a text cut in the middle of a character? key.toWellFormed() mends it.',
    })
  }
  if (typeof key === 'number' && Number.isFinite(key)) return key
  throw new TidemarkError(`a key must be a string or a finite number, not ${typeof key === 'number' ? key : key === null ? 'null' : typeof key}`, { code: 'TASK_KEY_INVALID', blame: 'user', action: 'fail-job' })
}

const SHOWN_LENGTH_MAX = 200

/** For errors: a long key only as it begins. */
export const shownKey = (key: Key | null): Key | null =>
  typeof key === 'string' && key.length > SHOWN_LENGTH_MAX ? `${key.slice(0, SHOWN_LENGTH_MAX)}… (${key.length} characters)` : key

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** zlib's CRC-32 of the key's UTF-8; a short ASCII key costs no call out of JavaScript. */
export const keyChecksum = (text: string): number => {
  let crc = 0xffffffff
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (code > 127) return crc32(text)
    crc = (CRC_TABLE[(crc ^ code) & 0xff] as number) ^ (crc >>> 8)
  }
  return (crc ^ 0xffffffff) >>> 0
}

/** Downstream task of a key: the same in each run with as many partitions. */
export const shufflePartition = (key: Key, partitions: number): number => keyChecksum(String(key)) % partitions

/** Whether the bytes are this text in UTF-8. */
export const sameText = (bytes: Buffer, text: string): boolean => {
  if (bytes.length === text.length) {
    let i = 0
    while (i < text.length && bytes[i] === text.charCodeAt(i) && (bytes[i] as number) < 128) i += 1
    if (i === text.length) return true
  }
  return bytes.equals(Buffer.from(text))
}
