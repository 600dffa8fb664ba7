// A task's state behind its newest batch, rebuilt in every way that log and store allow: from the run's beginning and from each snapshot whose tail the
// journal still has, each on its own up to the same batch. All ways have to give one hash. They are compared wherever one begins, too: what two ways
// disagree about there, a later batch may write over.
import { howMany } from '@tidemark/base'
import type { StageId, TaskRef } from '@tidemark/base'
import type { CommitRecord } from '../records/records.ts'
import type { Findings } from './findings.ts'
import type { ReadSnapshot } from './snapshots.ts'
import type { StateReplay } from './state.ts'

export interface RebuiltWay {
  /** Where it began: the snapshot of a checkpoint, or absent: what the run began from. */
  readonly checkpoint?: number
  /** It began behind this batch, 0: before the first. */
  readonly from: number
  /** Of the whole state, behind the newest batch. */
  readonly hash: string
}

export interface RebuiltState {
  readonly stage: StageId
  readonly partition: number
  /** The hashes are of the state behind this batch, the newest below the cut. */
  readonly batchId: number
  readonly keys: number
  /** Absent: the ways do not agree. */
  readonly hash?: string
  readonly ways: readonly RebuiltWay[]
  /** Up to here two ways are two witnesses; of later batches the journal is the only one. 0: there is one way. */
  readonly witnessedTo: number
  /** The first batch behind which two ways made different states, perhaps written over since. Absent: none. */
  readonly differsAt?: number
  /** Retained snapshots that could not be used, because the journal no longer reaches back to them. */
  readonly outOfReach: number
}

interface Way {
  readonly name: string
  readonly checkpoint?: number
  readonly from: number
  readonly state: StateReplay
}

export interface RebuildFacts {
  readonly task: TaskRef
  /** What the run began from, if the journal still reaches back to it; stays as it is. */
  readonly origin?: StateReplay
  /** Whose tail the journal has; they stay as they are. */
  readonly snapshots: readonly ReadSnapshot[]
  readonly outOfReach: number
}

/** Fed with every commit record that the journal holds, in order. */
export class StateRebuild {
  readonly #facts: RebuildFacts
  readonly #findings: Findings
  readonly #ways: Way[] = []
  readonly #ahead: ReadSnapshot[]
  #batchId: number | undefined
  #witnessedTo = 0
  #differsAt: number | undefined
  #broken = false

  constructor(facts: RebuildFacts, findings: Findings) {
    this.#facts = facts
    this.#findings = findings
    this.#ahead = facts.snapshots.toSorted((a, b) => a.ref.batchId - b.ref.batchId || a.ref.checkpoint - b.ref.checkpoint)
    if (facts.origin !== undefined) {
      this.#batchId = 0
      this.#ways.push({ name: 'the beginning of the run', from: 0, state: facts.origin.copy() })
    }
  }

  take({ content: { batchId, state } }: CommitRecord): void {
    if (this.#broken || (this.#batchId !== undefined && batchId <= this.#batchId)) return
    // The journal may begin right behind a snapshot's batch.
    if (this.#batchId === undefined) this.#begin(batchId - 1)
    else if (batchId !== this.#batchId + 1) return this.#give(`batch ${this.#batchId + 1} is missing in its journal`)
    try {
      for (const way of this.#ways) way.state.apply(state, batchId)
    } catch {
      // What can't be read is told where the journal is audited.
      return this.#give(`the after-images of batch ${batchId} can't be read`)
    }
    this.#batchId = batchId
    this.#begin(batchId)
  }

  /** Behind the last record. Undefined: there was no way at all. */
  finish(): RebuiltState | undefined {
    const { task, outOfReach } = this.#facts
    const batchId = this.#batchId
    if (this.#broken) return undefined
    if (batchId === undefined || this.#ways.length === 0) return this.#give('no snapshot that could be read has its tail in the journal')
    const ways = this.#ways.map(({ checkpoint, from, state }): RebuiltWay => ({ ...checkpoint === undefined ? {} : { checkpoint }, from, hash: state.hash() }))
    const hashes = new Set(ways.map(({ hash }) => hash))
    const [hash] = hashes
    if (ways.length === 1) this.#findings.cannotTell(this.#what, `it can be rebuilt in one way only, from ${this.#ways[0]?.name}: there is nothing to compare it with`)
    else this.#findings.count('rebuilt', ways.length)
    return {
      stage: task.stage, partition: task.partition, batchId, keys: this.#ways.at(-1)?.state.keys ?? 0, ...hashes.size === 1 && hash !== undefined ? { hash } : {}, ways, witnessedTo: this.#witnessedTo, ...this.#differsAt === undefined ? {} : { differsAt: this.#differsAt }, outOfReach,
    }
  }

  /** The snapshots that are exact behind this batch: each is compared with all ways so far, then becomes one. */
  #begin(batchId: number): void {
    for (let next = this.#ahead[0]; next !== undefined && next.ref.batchId <= batchId; next = this.#ahead[0]) {
      this.#ahead.shift()
      // Its tail began before the first record that was read.
      if (next.ref.batchId < batchId) continue
      const { ref: { checkpoint }, state } = next
      const name = `the snapshot of checkpoint ${checkpoint}`
      if (this.#ways.length > 0) this.#witnessedTo = batchId
      for (const way of this.#ways) this.#compare(way, name, state, batchId)
      this.#ways.push({ name, checkpoint, from: batchId, state: state.copy() })
    }
  }

  #compare(way: Way, name: string, state: StateReplay, batchId: number): void {
    const difference = way.state.difference(state)
    if (difference === undefined) return
    this.#differsAt ??= batchId
    const { stage, partition } = this.#facts.task
    const { missing, extra, other, first } = difference
    this.#findings.add('rebuilt-differs', `behind batch ${batchId} ${name} has another state than ${way.name} and ${way.from === batchId ? 'nothing' : `the batches from ${way.from + 1} on`} make (hash ${state.hash().slice(0, 16)}, not ${way.state.hash().slice(0, 16)}): ${howMany(missing, 'entry is', 'entries are')} missing, ${extra} too many, ${other} others; ${first}`, { stage, partition, batchId })
  }

  #give(why: string): undefined {
    this.#broken = true
    this.#findings.cannotTell(this.#what, why)
    return undefined
  }

  get #what(): string {
    return `whether the state of ${this.#facts.task.stage}-${this.#facts.task.partition} is rebuilt identically`
  }
}
