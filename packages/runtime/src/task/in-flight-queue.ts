// The in-flight blocks of a restored run's shuffle: read by index, all of them before offset 0 of its topic.
import { invariantBroken } from '@tidemark/base'

interface InFlightBlock {
  readonly index: number
  readonly last: boolean
  /** Undefined: there was none to read at all. */
  readonly block: Buffer | undefined
}

export class InFlightQueue {
  /** Index of the next block to process; undefined once all are. */
  next: number | undefined
  #committed: number | undefined
  #blocks: InFlightBlock[] = []
  #at = 0

  constructor(next: number | undefined) {
    this.next = next
    this.#committed = next
  }

  get changed(): boolean {
    return this.next !== this.#committed
  }

  /** Blocks taken since the last commit. */
  get taken(): number {
    let taken = 0
    for (let i = 0; i < this.#at; i += 1) if (this.#blocks[i]?.block !== undefined) taken += 1
    return taken
  }

  get unreadBytes(): number {
    let bytes = 0
    for (let i = this.#at; i < this.#blocks.length; i += 1) bytes += this.#blocks[i]?.block?.length ?? 0
    return bytes
  }

  get hasMore(): boolean {
    return this.next !== undefined && this.#at < this.#blocks.length
  }

  offer(index: number, last: boolean, block: Buffer | undefined): void {
    const expected = this.#blocks.at(-1) === undefined ? this.#committed : (this.#blocks.at(-1) as InFlightBlock).index + 1
    // A collection that begins again offers what is here already.
    if (expected === undefined || index < expected) return
    if (index !== expected) throw invariantBroken('7', `in-flight block ${index} came where ${expected} was to come`, {})
    this.#blocks.push({ index, last, block })
  }

  head(): InFlightBlock | undefined {
    return this.next === undefined ? undefined : this.#blocks[this.#at]
  }

  advance(): void {
    const head = this.#blocks[this.#at]
    if (head === undefined) return
    this.#at += 1
    this.next = head.last ? undefined : head.index + 1
  }

  commit(): void {
    this.#committed = this.next
    this.#blocks = this.next === undefined ? [] : this.#blocks.slice(this.#at)
    this.#at = 0
  }

  undo(): void {
    this.next = this.#committed
    this.#at = 0
  }

  seek(next: number | undefined): void {
    this.next = next
    this.#committed = next
    this.#blocks = next === undefined ? [] : this.#blocks.filter((block) => block.index >= next)
    this.#at = 0
  }
}
