// What operators know of the record, timer or window result under way. One object for a whole task, changed in place: nothing is allocated
// for an event. An operator that changes `key` or `time` for its readers puts them back.
import type { Key, NodeId } from 'tidemark'

/** A fused operator: takes a value, calls its readers. Built once. */
export type Push = (value: unknown) => void

/** What became of a record, as bits; with several branches it counts once, by the first of these that is set. */
export const FATE = { folded: 1, passedOn: 2, late: 4 } as const

export class Scope {
  /** Event time, ms. */
  time = 0
  key: Key | undefined = undefined
  /** Bytes of the record's own key, for `copartitioned`; null while there is no record. */
  recordKey: Buffer | null = null
  /** The log's time of the record, ms. */
  now = 0
  fate = 0
  /** Grows with everything that would have to be taken back: output, state. */
  effects = 0
  /** Values dropped for being late, in the open batch. */
  lateDrops = 0
  /** Grows with each record, window's result and timer that is begun, also when one is begun again: tells the values that one of them makes from those of the next. */
  turn = 0
  /** Node whose user code runs, for errors. */
  node: NodeId = ''
  /** Stage watermark as recorded, ms; -Infinity before there is one. */
  watermark = -Infinity

  #input = ''
  #partition = 0
  #offset = 0
  #resultKey: Key | undefined = undefined
  #origin: string | undefined = undefined
  #sent = 0

  /** The record under way is that of a source. */
  fromSource(input: NodeId, partition: number, offset: number): void {
    this.turn += 1
    this.#input = input
    this.#partition = partition
    this.#offset = offset
    this.#resultKey = undefined
    this.#origin = undefined
    this.#sent = 0
    this.fate = 0
    this.key = undefined
  }

  /** It was sent by another stage; `origin` names where it came from, the same in each run. */
  fromOrigin(origin: string): void {
    this.turn += 1
    this.#origin = origin
    this.#sent = 0
    this.fate = 0
    this.recordKey = null
  }

  /** It is a window's result, or a timer: (operator, window start or time, key) names it. */
  fromOperator(node: NodeId, at: number, key: Key): void {
    this.turn += 1
    this.#input = node
    this.#offset = at
    this.#resultKey = key
    this.#origin = undefined
    this.#sent = 0
    this.fate = 0
    this.key = key
    this.recordKey = null
  }

  /** The same whenever this record is processed again, in this run or another. */
  get origin(): string {
    if (this.#origin !== undefined) return this.#origin
    if (this.#resultKey === undefined) return `${this.#input}:${this.#partition}:${this.#offset}`
    // 1 and '1' are two keys.
    return `${this.#input}:${this.#offset}${typeof this.#resultKey === 'number' ? '#' : ':'}${this.#resultKey}`
  }

  /** For a record sent on from here: its own origin. */
  nextOrigin(): string {
    this.#sent += 1
    return `${this.origin}.${this.#sent}`
  }
}
