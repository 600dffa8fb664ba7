// The lines that grpcurl streams, read back as protobuf's JSON mapping says.
import { describe, expect, test } from '@jest/globals'
import { createHash, randomBytes } from 'node:crypto'
import { submitLines } from './index.ts'

describe('submission', () => {
  test('submission, as lines → header with int64 as text, then the bundle as base64 in chunks of at most 256 KiB', () => {
    const bundle = randomBytes(2 * 256 * 1024 + 5)
    const [header, ...chunks] = [...submitLines({ plan: { job: 'orders' }, bundle, fromCheckpoint: 7 })].map((line) => JSON.parse(line) as { header?: object, bundle?: string })
    expect(header).toEqual({ header: { plan: '{"job":"orders"}', bundleBytes: String(bundle.length), bundleSha256: createHash('sha256').update(bundle).digest('hex'), fromCheckpoint: '7' } })
    expect(chunks.map(({ bundle: part = '' }) => Buffer.from(part, 'base64').length)).toEqual([256 * 1024, 256 * 1024, 5])
    expect(Buffer.concat(chunks.map(({ bundle: part = '' }) => Buffer.from(part, 'base64'))).equals(bundle)).toBe(true)
  })

  test('submission, without a checkpoint → no such field', () => {
    const [header = ''] = submitLines({ plan: {}, bundle: Buffer.from('x') })
    expect(header).not.toContain('fromCheckpoint')
  })
})
