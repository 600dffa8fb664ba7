// Manifests: round trip, what is refused when one is built or read, and the files beside it.
import { describe, expect, test } from '@jest/globals'
import { isTidemarkError } from '@tidemark/base'
import { buildManifest, formatManifest, objectsOf, parseManifest } from './manifest.ts'
import type { Manifest, ManifestFacts } from './manifest.ts'
import { metadataFile, offsetsFile } from './manifest-files.ts'
import { manifestFacts } from './samples/manifest.ts'
import { runRecord } from './samples/run.ts'

const facts = manifestFacts()
const failure = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (isTidemarkError(error)) return `${error.code} ${error.message}`
    throw error
  }
  return 'nothing thrown'
}
const build = (change: Partial<ManifestFacts>): string => failure(() => buildManifest(runRecord, { ...facts, ...change }))
const parsed = (change: (manifest: { -readonly [K in keyof Manifest]: unknown }) => void): string => failure(() => {
  const manifest = structuredClone(buildManifest(runRecord, facts))
  change(manifest)
  return parseManifest(JSON.stringify(manifest), 'file')
})

describe('manifest', () => {
  test('round trip, with every object a restore needs', () => {
    const manifest = buildManifest(runRecord, facts)
    expect(parseManifest(formatManifest(manifest), 'file')).toEqual(manifest)
    expect(objectsOf(manifest)).toHaveLength(6)
  })
  test('round trip: what a part owes to sinks is kept, nothing is not the same as unknown, and a wrong word of it is told', () => {
    const outboxes = [[{ sink: 'archive', entries: 2 }], [], undefined]
    const manifest = buildManifest(runRecord, { ...facts, parts: facts.parts.map((part, i) => {
      const outbox = outboxes[i]
      return outbox === undefined ? part : { ...part, outbox }
    }) })
    expect(parseManifest(formatManifest(manifest), 'file').parts.map(({ outbox }) => outbox)).toEqual([...outboxes, undefined])
    expect(parsed((wrong) => { wrong.parts = [{ ...facts.parts[0], outbox: [{ sink: '', entries: 0 }] }] })).toMatch(/parts\[0\]\.outbox\[0\]\.sink is "".*\n.*parts\[0\]\.outbox\[0\]\.entries is 0/)
  })
  test('parts: a task without one, with two, of another checkpoint or of no task is refused', () => {
    expect(build({ parts: facts.parts.slice(1) })).toContain('task s0-0 has 0 parts')
    expect(build({ parts: [...facts.parts, ...facts.parts.slice(0, 1)] })).toContain('task s0-0 has 2 parts')
    expect(build({ parts: facts.parts.map((part) => ({ ...part, ref: { ...part.ref, checkpoint: 9 } })) })).toContain('belongs to checkpoint 9')
    expect(build({ parts: [...facts.parts, ...facts.parts.slice(0, 1).map((part) => ({ ...part, partition: 7 }))] })).toContain('5 parts for 4 tasks')
  })
  test('C1: a reader ahead of its writer\'s cut is refused', () => {
    const parts = facts.parts.map((part) => ({ ...part, upstreams: part.upstreams.map((mark) => ({ ...mark, batchId: 51 })) }))
    expect(build({ parts })).toContain('task s1-0 has applied batch 51 of task s0-0, whose cut is 50')
  })
  test('C2: a reader whose in-flight blocks are not stored is refused', () => {
    expect(build({ inFlight: facts.inFlight.slice(1) })).toContain('in flight before task s1-0 is not stored')
  })
  test('wrong: every mistake is told, with its path', () => {
    const message = parsed((manifest) => {
      manifest.driverEpoch = -1
      manifest.parts = [{ ...facts.parts[0], ref: { ...facts.parts[0]?.ref, objects: [{ key: 'k', sizeBytes: 0, sha256: 'no' }] } }]
      manifest.inFlight = 5
    })
    expect(message).toMatch(/^MANIFEST_INVALID/)
    for (const path of ['driverEpoch is -1', 'parts[0].ref.objects[0].sizeBytes is 0', 'parts[0].ref.objects[0].sha256 is "no"', 'inFlight is no list']) expect(message).toContain(path)
  })
  test('wrong: a task twice, no tasks, a newer format, half a file', () => {
    expect(parsed((manifest) => { manifest.parts = [facts.parts[0], facts.parts[0]] })).toContain('names a task twice')
    expect(parsed((manifest) => { manifest.parts = [] })).toContain('parts is empty')
    expect(parsed((manifest) => { manifest.formatVersion = 2 })).toMatch(/^MANIFEST_TOO_NEW/)
    expect(failure(() => parseManifest(formatManifest(buildManifest(runRecord, facts)).subarray(0, 500), 'file'))).toMatch(/^MANIFEST_INVALID/)
  })
  test('offsets file: readable, the position is the next offset to read and is called so', () => {
    const file: { tasks: { positions: unknown[] }[] } & Record<string, unknown> = JSON.parse(offsetsFile(buildManifest(runRecord, facts)).toString())
    expect(file).toMatchObject({ job: 'orders', run: 2, checkpoint: 10, engineVersion: '0.1.0', timestamp: 1_700_000_100_000 })
    expect(file.tasks[0]).toMatchObject({ stage: 's0', partition: 0, batchId: 50, generation: { epoch: 1, counter: 1 }, watermark: 1_699_999_999_000 })
    expect(file.tasks[0]?.positions).toEqual([{ source: 'source:orders', topic: 'orders', partition: 0, next: 123_457, lastChecksum: 77, watermark: 1_700_000_000_000 }])
  })
  test('metadata file: job, versions and the newest checkpoint', () => {
    expect(JSON.parse(metadataFile(buildManifest(runRecord, facts)).toString())).toEqual({
      formatVersion: 1, jobId: 'orders', name: 'orders', engineVersion: '0.1.0', jobVersion: '1.0', schemas: { 'aggregate:totals': 1 }, newest: { run: 2, checkpoint: 10, timestamp: 1_700_000_100_000 },
    })
  })
})
