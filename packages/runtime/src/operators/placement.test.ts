import { crc32 } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { Placement } from './placement.ts'

const place = (key: Buffer, partitions: number): number => crc32(key) % partitions

describe('placement', () => {
  test('any keys, again and again, far more than are remembered → always where the log puts them', () => {
    const placement = new Placement(7, place, 50)
    for (let i = 0; i < 5_000; i += 1) {
      const key = `k${i * 7919 % 400}ä`
      expect(placement.of(key)).toBe(place(Buffer.from(key), 7))
    }
  })

  test('keys that come again soon → the log is asked once for each', () => {
    let asked = 0
    const placement = new Placement(4, (key, partitions) => {
      asked += 1
      return place(key, partitions)
    }, 100)
    for (let round = 0; round < 20; round += 1) for (let i = 0; i < 90; i += 1) placement.of(`k${i}`)
    expect(asked).toBe(90)
  })

  test('ever new keys → no more than two generations are remembered', () => {
    let asked = 0
    const placement = new Placement(4, (key, partitions) => {
      asked += 1
      return place(key, partitions)
    }, 10)
    for (let i = 0; i < 31; i += 1) placement.of(`k${i}`)
    asked = 0
    placement.of('k0')
    placement.of('k30')
    expect(asked).toBe(1)
  })
})
