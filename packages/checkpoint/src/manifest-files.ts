// The files beside a manifest that people read: `offsets/<n>.json` and `metadata.json`. Copies; no program of ours reads them.
import { formatJson } from './files/checked.ts'
import type { Manifest } from './manifest.ts'

/** A position is the next offset to read, and is called so: the record before it is the last that the state contains. */
export const offsetsFile = (manifest: Manifest): Buffer => formatJson({
  job: manifest.job, run: manifest.run, checkpoint: manifest.checkpoint, timestamp: manifest.timestamp, engineVersion: manifest.engineVersion,
  tasks: manifest.parts.map(({ stage, partition, ref, watermark, upstreams }) => ({
    stage, partition, batchId: ref.batchId, generation: ref.generation, ...(watermark === undefined ? {} : { watermark }),
    positions: ref.positions.map(({ input, topic, partition: of, next, watermark: at, last }) => ({ source: input, topic, partition: of, next, ...(last === undefined ? {} : { lastChecksum: last.checksum }), ...(at === undefined ? {} : { watermark: at }) })),
    ...(upstreams.length === 0 ? {} : { upstreams }),
  })),
})

/** Rewritten with each checkpoint. */
export const metadataFile = (manifest: Manifest): Buffer => formatJson({
  formatVersion: manifest.formatVersion, jobId: manifest.job, name: manifest.job, engineVersion: manifest.engineVersion, jobVersion: manifest.jobVersion, schemas: manifest.schemas,
  newest: { run: manifest.run, checkpoint: manifest.checkpoint, timestamp: manifest.timestamp },
})
