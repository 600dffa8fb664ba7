// What a reader of shuffles knows of each upstream task: its watermark (folded with max), what it clears while it is idle, the last block applied.
import { invariantBroken } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import type { Block, UpstreamMark } from '@tidemark/checkpoint'
import { active, claimed, graced, progressOf } from './idle-claims.ts'
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
  readonly #all: readonly string[]
  /** So many of them are idle: counted along, for every block asks. */
  #idle = 0
  /** Those heard from since the task itself was last heard. */
  readonly #heard = new Set<string>()
  #progress: readonly InputProgress[] | undefined

  constructor(task: TaskRef, shuffles: readonly UpstreamShuffle[]) {
    this.#task = task
    this.shuffles = new Map(shuffles.map((shuffle) => [shuffle.shuffle, shuffle]))
    this.#all = shuffles.flatMap(({ shuffle, tasks }) => Array.from({ length: tasks }, (_, partition) => keyOf(shuffle, partition)))
  }

  get(input: string, partition: number): UpstreamMark | undefined {
    return this.#marks.get(keyOf(input, partition))
  }

  list(): UpstreamMark[] {
    return [...this.#marks.values()]
  }

  /** Of every upstream task, for the stage's watermark. */
  progress(): readonly InputProgress[] {
    this.#progress ??= this.#all.map((key) => progressOf(this.#marks.get(key)))
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
    const [batchId, next, blocks] = [mark?.batchId ?? 0, mark?.nextBlock, mark?.blocks]
    const writer = `${block.stage}/${block.partition}`
    if (next !== undefined) {
      if (block.batchId === batchId && block.index === next && block.count === blocks) return
      throw invariantBroken('2', `block ${block.index} of ${block.count} of batch ${block.batchId} of ${writer} came where block ${next} of ${blocks} of its batch ${batchId} was to come`, place)
    }
    if (block.batchId <= batchId) throw invariantBroken('2', `batch ${block.batchId} of ${writer} came behind its batch ${batchId}`, place)
    if (block.index !== 0) throw invariantBroken('2', `the blocks of batch ${block.batchId} of ${writer} begin with number ${block.index}`, place)
  }

  /** After its records were processed. A watermark never goes back; what a batch says of it is in all its blocks and counts with the last. */
  fold(input: string, block: Block): void {
    const { watermark: own = -Infinity, idle = false, nextBlock: _next, blocks: _blocks, ...before } = this.get(input, block.partition) ?? { input, partition: block.partition }
    const whole = block.index === block.count - 1
    const watermark = whole ? Math.max(own, block.watermark ?? -Infinity) : own
    const mark: UpstreamMark = { ...before, idle: whole ? block.idle : idle, batchId: block.batchId, ...(whole ? {} : { nextBlock: block.index + 1, blocks: block.count }), ...(watermark === -Infinity ? {} : { watermark }) }
    if (!whole) return this.#set(mark)
    this.#heard.add(keyOf(input, block.partition))
    if (block.idle) return this.#set(claimed(mark, this.#others(mark)))
    if (this.#idle === this.#all.length) this.#woken(mark)
    this.#set(active(mark))
  }

  #others({ input, partition }: UpstreamMark): InputProgress[] {
    const own = keyOf(input, partition)
    return this.#all.flatMap((key) => key === own ? [] : [progressOf(this.#marks.get(key))])
  }

  #woken({ input, partition }: UpstreamMark): void {
    const own = keyOf(input, partition)
    for (const key of this.#all) {
      const mark = this.#marks.get(key)
      if (mark !== undefined && key !== own) this.#set(graced(mark, this.shuffles.get(mark.input)?.idleAfterMs ?? 0))
    }
  }

  /** The in-flight blocks of a restored run are through: its writers count their batches from 1. */
  restartBatches(input: string): void {
    for (const mark of this.list()) {
      if (mark.input !== input) continue
      if (mark.nextBlock !== undefined) throw invariantBroken('2', `the blocks in flight in shuffle ${input} end before block ${mark.nextBlock} of batch ${mark.batchId} of task ${mark.partition}`, this.#task)
      this.#set({ ...mark, batchId: 0 })
    }
  }

  #set(mark: UpstreamMark): void {
    const key = keyOf(mark.input, mark.partition)
    const before = this.#marks.get(key)
    if (!this.#befores.has(key)) this.#befores.set(key, before)
    this.#idle += Number(mark.idle) - Number(before?.idle ?? false)
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
    this.#begin()
  }

  seek(marks: readonly UpstreamMark[]): void {
    this.#marks.clear()
    for (const mark of marks) this.#marks.set(keyOf(mark.input, mark.partition), mark)
    this.#begin()
  }

  /** No batch is open. */
  #begin(): void {
    this.#befores.clear()
    this.#heard.clear()
    this.#progress = undefined
    this.#idle = this.#all.filter((key) => this.#marks.get(key)?.idle).length
  }
}
