// Two tasks with a shuffle between them, reduced to numbers: U emits one record per input, D counts each. The model of C1 and C2, driven
// by the driver's checkpoint machine, restored from the manifest that comes out of it.
import { jobId, stageId } from '@tidemark/base'
import { advanceCheckpoint, beginCheckpoint } from '../checkpoint/progress.ts'
import type { CheckpointCommand, CheckpointFact, CheckpointProgress } from '../checkpoint/progress.ts'
import { buildManifest } from '../manifest.ts'
import type { Manifest, ManifestPart } from '../manifest.ts'
import { decodeBlock, encodeBlocks } from '../records/blocks.ts'
import type { Rules } from '../rules.ts'
import type { RunRecord } from '../run.ts'
import { stamp } from '../samples/records.ts'
import { runRecord } from '../samples/run.ts'

export const INPUTS = 6
const shuffle = { shuffle: 's0-k', topic: 'shuffle', partitions: 1 }
/** s0 → shuffle → s1, one task each. */
const run: RunRecord = {
  ...runRecord, job: jobId('orders'),
  stages: [
    { stage: stageId(0), partitions: 1, inputs: [{ input: 'source:in', kind: 'topic', topic: 'in', partitions: 1 }] },
    { stage: stageId(1), partitions: 1, inputs: [{ input: shuffle.shuffle, kind: 'shuffle', topic: shuffle.topic, partitions: 1 }] },
  ],
  shuffles: [{ ...shuffle, from: stageId(0), to: stageId(1) }],
}

export interface Cuts {
  readonly manifest: Manifest
  readonly counts: readonly number[]
  readonly inFlight: readonly Buffer[]
}

export class Pipeline {
  readonly #rules: Rules
  emitted = 0
  consumed = 0
  readonly #shuffle: Buffer[] = []
  counts: number[] = Array.from({ length: INPUTS }, () => 0)

  constructor(rules: Rules, from?: Cuts) {
    this.#rules = rules
    if (from === undefined) return
    // A new run: U from its cut; D from its own, then what was in flight, then an empty shuffle.
    this.emitted = from.manifest.parts[0]?.ref.batchId ?? 0
    this.counts = [...from.counts]
    for (const block of from.inFlight) this.#count(block)
  }

  /** U processes one input: batch n emits record n - 1. */
  emit(): void {
    if (this.emitted >= INPUTS) return
    this.emitted += 1
    this.#shuffle.push(...encodeBlocks({ stage: 's0', partition: 0, batchId: this.emitted, generation: { epoch: 1, counter: 1 }, idle: false }, [{ key: 'k', value: this.emitted - 1, timestamp: 0 }]))
  }

  /** D reads one block. */
  consume(): void {
    const block = this.#shuffle[this.consumed]
    if (block === undefined) return
    this.consumed += 1
    this.#count(block)
  }

  runToEnd(): readonly number[] {
    while (this.emitted < INPUTS) this.emit()
    while (this.consumed < this.#shuffle.length) this.consume()
    return this.counts
  }

  #count(block: Buffer): void {
    for (const value of decodeBlock(block).values) this.counts[value as number] = (this.counts[value as number] ?? 0) + 1
  }

  /** `between`: what goes on after the first task has its cut and before the next does. When told both at once, U is the quicker. */
  checkpoint(between: () => void): Cuts {
    const found: { counts: readonly number[], inFlight: readonly Buffer[], manifest: Manifest | undefined } = { counts: [], inFlight: [], manifest: undefined }
    let progress: CheckpointProgress
    const queue: CheckpointCommand[] = []
    const say = (fact: CheckpointFact): void => {
      const step = advanceCheckpoint(progress, fact)
      progress = step.progress
      queue.push(...step.commands)
    }
    const first = beginCheckpoint(run, 1, [], this.#rules)
    progress = first.progress
    queue.push(...first.commands)
    for (let command = queue.shift(); command !== undefined; command = queue.shift()) {
      if (command.kind === 'complete') {
        for (const task of command.tasks.toSorted((a, b) => a.stage.localeCompare(b.stage))) {
          const part = this.#part(task.stage === 's0')
          if (task.stage === 's1') found.counts = [...this.counts]
          say({ kind: 'cut', task, batchId: part.ref.batchId })
          say({ kind: 'named', part })
          between()
        }
      } else if (command.kind === 'store-in-flight') {
        const { task, ref, cuts } = command
        found.inFlight = this.#shuffle.slice(ref.positions[0]?.next ?? 0).filter((block) => decodeBlock(block).batchId <= (cuts[0]?.batchId ?? 0))
        say({ kind: 'in-flight-stored', stored: { ...task, objects: [], blocks: found.inFlight.length, bytes: 0 } })
      } else if (command.kind === 'write-manifest') {
        const { parts, inFlight, outputs } = command
        found.manifest = buildManifest(run, { checkpoint: 1, engineVersion: '0', schemas: {}, driverEpoch: 1, timestamp: 0, parts, inFlight, outputs }, this.#rules)
      }
    }
    if (found.manifest === undefined) throw new RangeError('the checkpoint did not come to its end')
    return { counts: found.counts, inFlight: found.inFlight, manifest: found.manifest }
  }

  #part(writer: boolean): ManifestPart {
    const batchId = writer ? this.emitted : this.consumed
    const position = writer ? { input: 'source:in', topic: 'in', partition: 0, next: this.emitted } : { input: shuffle.shuffle, topic: shuffle.topic, partition: 0, next: this.consumed }
    return {
      stage: stageId(writer ? 0 : 1), partition: 0, upstreams: writer ? [] : [{ input: shuffle.shuffle, partition: 0, idle: false, batchId: this.consumed }],
      ref: { ...stamp('A', 1), checkpoint: 1, batchId, journalNext: batchId, positions: [position], keys: 0, objects: [] },
    }
  }
}
