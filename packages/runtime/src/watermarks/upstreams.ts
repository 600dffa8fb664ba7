// What a reader of shuffles knows of each upstream task: its watermark (folded with max), whether it is idle, the last block applied.
import { invariantBroken } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import type { Block, UpstreamMark } from '@tidemark/checkpoint'
import { judgeClaims, stamped } from './idle-claims.ts'
import type { InputProgress } from './stage-watermark.ts'

export interface UpstreamShuffle {
  readonly shuffle: string
  /** The stage that writes it, and its tasks. */
  readonly from: string
  readonly tasks: number
  /** The longest `idleAfter` of the sources before it, ms. */
  readonly idleAfterMs: number
}

const keyOf = (input: string, partition: number): string => `${input} ${partition}`

export class Upstreams {
  readonly shuffles: ReadonlyMap<string, UpstreamShuffle>
  readonly #task: TaskRef
  readonly #marks = new Map<string, UpstreamMark>()
  /** Marks as they were before the open batch. */
  readonly #befores = new Map<string, UpstreamMark | undefined>()
  /** Every upstream task, whether heard from or not. */
  readonly #all: readonly { readonly key: string, readonly idleAfterMs: number }[]
  /** Those heard from since the task itself was last heard. */
  readonly #heard = new Set<string>()
  #progress: readonly InputProgress[] | undefined

  constructor(task: TaskRef, shuffles: readonly UpstreamShuffle[]) {
    this.#task = task
    this.shuffles = new Map(shuffles.map((shuffle) => [shuffle.shuffle, shuffle]))
    this.#all = shuffles.flatMap(({ shuffle, tasks, idleAfterMs }) => Array.from({ length: tasks }, (_, partition) => ({ key: keyOf(shuffle, partition), idleAfterMs })))
  }

  get(input: string, partition: number): UpstreamMark | undefined {
    return this.#marks.get(keyOf(input, partition))
  }

  list(): UpstreamMark[] {
    return [...this.#marks.values()]
  }

  /** Of every upstream task, for the stage's watermark. */
  progress(): readonly InputProgress[] {
    this.#progress ??= judgeClaims(this.#all.map(({ key, idleAfterMs }) => ({ mark: this.#marks.get(key), idleAfterMs })))
    return this.#progress
  }

  /** Every upstream task was heard from since `told`. */
  get allHeard(): boolean {
    return this.#heard.size === this.#all.length
  }

  /** The task itself was heard: blocks of its own are committed. */
  told(): void {
    this.#heard.clear()
  }

  /** Before a block is processed: it is of a known writer and follows the last one. */
  check(input: string, block: Block): void {
    const shuffle = this.shuffles.get(input)
    const place = { ...this.#task, details: { input, stage: block.stage, writer: block.partition, batchId: block.batchId, index: block.index } }
    if (shuffle === undefined || block.stage !== shuffle.from || block.partition < 0 || block.partition >= shuffle.tasks) {
      throw invariantBroken('1', `a block of ${block.stage}/${block.partition} came in shuffle ${input}, whose writers are ${shuffle?.tasks ?? 0} tasks of ${shuffle?.from ?? 'no stage'}`, place)
    }
    const mark = this.get(input, block.partition)
    if (mark === undefined || block.batchId > mark.batchId) {
      if (block.index === 0) return
      throw invariantBroken('2', `the blocks of batch ${block.batchId} of ${block.stage}/${block.partition} begin with number ${block.index}`, place)
    }
    if (block.batchId < mark.batchId || block.index === 0) {
      throw invariantBroken('2', `batch ${block.batchId} of ${block.stage}/${block.partition} came behind its batch ${mark.batchId}`, place)
    }
  }

  /** After its records were processed. A watermark never goes back. `at`: the log's timestamp; undefined for in-flight blocks. */
  fold(input: string, block: Block, at: number | undefined): void {
    const before = this.get(input, block.partition)
    const last = block.index === block.count - 1
    const watermark = !last || block.watermark === undefined ? before?.watermark : Math.max(block.watermark, before?.watermark ?? -Infinity)
    const idle = last ? block.idle : before?.idle ?? false
    const mark = { ...before, input, partition: block.partition, idle, batchId: block.batchId, ...(watermark === undefined ? {} : { watermark }) }
    this.#set(last ? stamped(mark, before, at) : mark)
    if (last) this.#heard.add(keyOf(input, block.partition))
  }

  /** The in-flight blocks of a restored run are through: its writers count their batches from 1. */
  restartBatches(input: string): void {
    for (const mark of this.list()) if (mark.input === input) this.#set({ ...mark, batchId: 0 })
  }

  #set(mark: UpstreamMark): void {
    const key = keyOf(mark.input, mark.partition)
    if (!this.#befores.has(key)) this.#befores.set(key, this.#marks.get(key))
    this.#marks.set(key, mark)
    this.#progress = undefined
  }

  commit(): void {
    this.#befores.clear()
  }

  undo(): void {
    for (const [key, before] of this.#befores) {
      if (before === undefined) this.#marks.delete(key)
      else this.#marks.set(key, before)
    }
    this.#befores.clear()
    this.#heard.clear()
    this.#progress = undefined
  }

  seek(marks: readonly UpstreamMark[]): void {
    this.#marks.clear()
    for (const mark of marks) this.#marks.set(keyOf(mark.input, mark.partition), mark)
    this.#befores.clear()
    this.#heard.clear()
    this.#progress = undefined
  }
}
