import { describe, expect, test } from '@jest/globals'
import { closest } from './closest.ts'

describe('closest', () => {
  test.each([
    ['kafak', 'kafka'], ['KAFKA', 'kafka'], ['heartbeattimeout', 'heartbeatTimeout'], ['heartbeatTimout', 'heartbeatTimeout'], ['s3bucket', 's3Bucket'], ['directory', undefined], ['', undefined],
  ])('closest, %s → %s', (word, meant) => {
    expect(closest(word, ['kafka', 'heartbeatTimeout', 'heartbeatInterval', 's3Bucket', 'dir'])).toBe(meant)
  })
})
