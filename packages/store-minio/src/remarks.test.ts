// What is said of a store that can be used: one drive, versions.
import { describe, expect, test } from '@jest/globals'
import { drivesRemark, versioningOf, versioningRemark } from './remarks.ts'

const bucket = (answer: () => unknown) => ({ getBucketVersioning: async () => answer() as { Status?: string } }) as Parameters<typeof versioningOf>[0]

describe('store-minio: remarks', () => {
  test.each([
    ['a write has to reach one drive → said', new Headers({ 'x-minio-write-quorum': '1' }), /on one drive/],
    ['three of four drives → nothing to say', new Headers({ 'x-minio-write-quorum': '3' }), undefined],
    ['no MinIO, or no answer → nothing is claimed', new Headers({ server: 'AmazonS3' }), undefined],
  ])('drives, %s', (_, health, said) => {
    const remark = drivesRemark(health)
    if (said === undefined) expect(remark).toBeUndefined()
    else expect(remark).toMatch(said)
  })

  test('versions on, off, never set, not to be asked → each by its own words', async () => {
    const answers = [() => ({ Status: 'Enabled' }), () => ({ Status: 'Suspended' }), () => ({}), () => { throw new Error('AccessDenied') }]
    const found = await Promise.all(answers.map((answer) => versioningOf(bucket(answer), 'b')))
    expect(found).toEqual(['on', 'off', 'off', 'unknown'])
    expect(found.map(versioningRemark)).toEqual([undefined, expect.stringMatching(/keeps no versions/), expect.stringMatching(/keeps no versions/), expect.stringMatching(/can't be asked/)])
  })
})
