// A submission as the chunks of JobService.Submit, and as the lines of JSON that any gRPC client streams.
import { createHash } from 'node:crypto'
import type { SubmitRequest } from './jobs.ts'
import { submitHeader } from './codec/jobs.ts'
import type { SubmitChunk } from './services.ts'

const CHUNK_BYTES_MAX = 256 * 1024

export const submitChunks = function * ({ plan, bundle, fromCheckpoint, submissionId }: SubmitRequest): Generator<SubmitChunk> {
  yield { header: { plan, bundleBytes: bundle.length, bundleSha256: createHash('sha256').update(bundle).digest('hex'), ...(fromCheckpoint === undefined ? {} : { fromCheckpoint }), ...(submissionId === undefined ? {} : { submissionId }) } }
  for (let at = 0; at < bundle.length; at += CHUNK_BYTES_MAX) yield { bundle: bundle.subarray(at, at + CHUNK_BYTES_MAX) }
}

/** One line for each chunk, in protobuf's JSON mapping: names in camelCase, int64 as text, bytes as base64. What `grpcurl -d @` reads. */
export const submitLines = function * (request: SubmitRequest): Generator<string> {
  for (const chunk of submitChunks(request)) {
    if ('bundle' in chunk) yield JSON.stringify({ bundle: chunk.bundle.toString('base64') })
    else {
      const fields = submitHeader.toWire(chunk.header) as Readonly<Record<string, unknown>>
      yield JSON.stringify({ header: Object.fromEntries(Object.entries(fields).flatMap(([name, value]) => value === undefined ? [] : [[name, typeof value === 'number' ? String(value) : value]])) })
    }
  }
}
