import { describe, expect, test } from '@jest/globals'
import { closest } from './closest.ts'

describe('closest', () => {
  test.each([
    ['kafak', 'kafka'], ['KAFKA', 'kafka'], ['heartbeattimeout', 'heartbeatTimeout'], ['heartbeatTimout', 'heartbeatTimeout'], ['s3bucket', 's3Bucket'], ['directory', undefined], ['', undefined],
  ])('closest, %s → %s', (word, meant) => {
    expect(closest(word, ['kafka', 'heartbeatTimeout', 'heartbeatInterval', 's3Bucket', 'dir'])).toBe(meant)
  })

  test('closest, a long word → near by its share of letters; not where fewer changes are allowed', () => {
    expect([closest('orders-by-product', ['orders-by-user']), closest('orders-by-product', ['orders-by-user'], 2), closest('orders-by-usr', ['orders-by-user'], 2)]).toEqual([undefined, undefined, 'orders-by-user'])
    expect([closest('payments-east', ['payments-west']), closest('payments-eu-1', ['payments-us-2'], 1)]).toEqual(['payments-west', undefined])
  })
})
