// A checkpoint of the sample run, for the tests of this room.
import { stageId } from '@tidemark/base'
import type { ManifestFacts, ManifestPart } from '../manifest.ts'
import { stamp } from './records.ts'

const part = (stage: number, partition: number, batchId: number, checkpoint: number): ManifestPart => ({
  stage: stageId(stage), partition,
  ref: {
    ...stamp('A', 1), checkpoint, batchId, journalNext: batchId + 1, keys: 2, objects: [{ key: `orders/state/${checkpoint}/s${stage}-${partition}/g1.1-n-0.snapshot`, sizeBytes: 100, sha256: 'c'.repeat(64) }],
    positions: stage === 0
      ? [{ input: 'source:orders', topic: 'orders', partition, next: 123_457, last: { offset: 123_456, checksum: 77 }, watermark: 1_700_000_000_000 }]
      : [{ input: 's0-keyBy:user', topic: 'tidemark.orders.2.shuffle.s0-keyBy_3a_user', partition, next: 40 }],
  },
  upstreams: stage === 0 ? [] : [0, 1].map((of) => ({ input: 's0-keyBy:user', partition: of, idle: false, batchId: 48, watermark: 1_699_999_999_000 })),
  watermark: 1_699_999_999_000,
})

export const manifestFacts = (checkpoint = 10): ManifestFacts => ({
  checkpoint, engineVersion: '0.1.0', schemas: { 'aggregate:totals': 1 }, driverEpoch: 3, timestamp: 1_700_000_100_000,
  parts: [part(0, 0, 50, checkpoint), part(0, 1, 51, checkpoint), part(1, 0, 60, checkpoint), part(1, 1, 61, checkpoint)],
  inFlight: [0, 1].map((partition) => ({ stage: stageId(1), partition, objects: [{ key: `orders/state/${checkpoint}/s1-${partition}/g1.1-n-0.in-flight`, sizeBytes: 9, sha256: 'd'.repeat(64) }], blocks: 1, bytes: 5 })),
  outputs: [{ topic: 'totals', partition: 0, next: 900 }],
})
