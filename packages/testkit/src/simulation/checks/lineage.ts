// Runs and those that they go on from: which of an earlier one's words count for a later one. Those of batches that its checkpoint has; what was said behind that has to be said again.
import type { Manifest, RunRecord } from '@tidemark/checkpoint'
import { taskOf } from './batches.ts'
import type { Committed } from './batches.ts'
import type { Violations } from './violations.ts'

/** The batch that something is real with. */
export interface BatchRef {
  readonly run: number
  /** As `taskOf` has it. */
  readonly task: string
  readonly batchId: number
}

/** Anything that a batch has said. */
interface Word {
  readonly of: BatchRef
}

interface Begun {
  readonly stages: RunRecord['stages']
  /** The run whose checkpoint it began from; undefined: it began empty. */
  readonly from: number | undefined
  /** By task: the last batch of that run which the checkpoint has. */
  readonly cuts: ReadonlyMap<string, number>
}

export class Lineage {
  readonly #begun = new Map<number, Begun>()
  readonly #partitionFor: (key: string, partitions: number) => number
  readonly #violations: Violations

  /** `partitionFor`: the log's, for keys. */
  constructor(partitionFor: (key: string, partitions: number) => number, violations: Violations) {
    this.#partitionFor = partitionFor
    this.#violations = violations
  }

  runBegins({ run, stages, from }: Pick<RunRecord, 'run' | 'stages' | 'from'>, origin: Pick<Manifest, 'parts'> | undefined): void {
    const cuts = new Map(origin?.parts.map(({ stage, partition, ref }) => [taskOf(stage, partition), ref.batchId]))
    this.#begun.set(run, { stages, from: from?.run, cuts })
  }

  /** The batch that something with this key is real with: results are of the last stage, whose tasks have each their keys. */
  resultOf(committed: Committed, key: string): BatchRef {
    const last = this.#begun.get(committed.run)?.stages.at(-1)
    return this.batchOf(committed, last === undefined ? 'no task' : taskOf(last.stage, this.#partitionFor(key, last.partitions)))
  }

  batchOf({ run, batches }: Committed, task: string): BatchRef {
    const batchId = batches.get(task)
    if (batchId === undefined) this.#violations.add('atomic', `run ${run}: ${task} says something, and no batch of it is real with that`)
    return { run, task, batchId: batchId ?? Infinity }
  }

  /** Is what that batch said done for this run? */
  counts(run: number, { run: said, task, batchId }: BatchRef): boolean {
    if (said === run) return true
    for (let later = this.#begun.get(run); later?.from !== undefined; later = this.#begun.get(later.from)) {
      if (later.from === said) return batchId <= (later.cuts.get(task) ?? 0)
    }
    return false
  }

  /** The last word that counts for this run. */
  last<W extends Word>(run: number, words: readonly W[] | undefined): W | undefined {
    return words?.findLast(({ of }) => this.counts(run, of))
  }
}
