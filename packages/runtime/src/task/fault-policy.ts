// Handles what fails by the job's policy: records, window results, timers. What failed before it had any effect is set aside at once. What failed
// after one is marked, and the whole batch is taken back and processed again without it; it ends the batch then, so that a bad record costs
// one batch at most.
import type { TaskRef } from '@tidemark/base'
import type { Key, NodeId, OnError } from 'tidemark'
import type { DeadLetters } from './dead-letters.ts'
import { isFatal, Stop, stopError, TakeBack } from './errors.ts'
import type { FaultPlace } from './errors.ts'
import type { Room } from './room.ts'
import type { Subject } from './task.ts'

/** How a dead letter of this fault is written. */
type Letter = (letters: DeadLetters, error: unknown, place: FaultPlace) => void

export class FaultPolicy {
  readonly #task: TaskRef
  readonly #policy: OnError
  readonly #letters: DeadLetters
  readonly #room: Room
  readonly #operators: ReadonlyMap<NodeId, string>
  /** What failed after an effect, by name. */
  readonly #marks = new Map<string, { readonly error: unknown, readonly node: NodeId }>()
  #met: string[] = []
  #setAsideNow = 0
  /** Window results and timers that were set aside; no record's fate, so not in the books. */
  emissionsSetAside = 0

  constructor(task: TaskRef, policy: OnError, letters: DeadLetters, room: Room, operators: ReadonlyMap<NodeId, string>) {
    this.#task = task
    this.#policy = policy
    this.#letters = letters
    this.#room = room
    this.#operators = operators
  }

  /** Whether anything is to be looked up at all. */
  get hasMarks(): boolean {
    return this.#marks.size > 0
  }

  /** Set when a state value could not be encoded at the end of a batch: then each record's are, to find whose it is. */
  sealEach: (() => void) | undefined = undefined

  /** Told before the user code of each record, result and timer. */
  begins: ((subject: Subject) => void) | undefined = undefined

  /** It is not to be tried: met, it is handled like what failed after an effect. */
  mark({ name, node }: Subject, error: unknown): void {
    this.#marks.set(name, { error, node })
  }

  beginsAt(node: NodeId, at: number, key: Key): void {
    this.begins?.({ name: nameOf(node, at, key), node })
  }

  /** Behind each record, result and timer. */
  afterEach(): void {
    if (this.sealEach !== undefined) this.sealEach()
  }

  operator(node: NodeId): string {
    return this.#operators.get(node) ?? node
  }

  isMarked(node: NodeId, at: number, key: Key): boolean {
    return this.#marks.size > 0 && this.#marks.has(nameOf(node, at, key))
  }

  /** A marked result or timer is met again: set aside, or the task stops here. */
  meet(node: NodeId, at: number, key: Key, describe: () => unknown): void {
    const name = nameOf(node, at, key)
    const mark = this.#marks.get(name)
    if (mark === undefined) return
    this.meetMarked(name, { operator: this.operator(mark.node) }, (letters, error, place) => letters.value(describe(), String(key), at, error, place))
    this.#setAsideNow += 1
  }

  /** A window's result or a timer failed. */
  failed(error: unknown, hadEffects: boolean, node: NodeId, at: number, key: Key, describe: () => unknown): void {
    this.fault(error, hadEffects, node, nameOf(node, at, key), { operator: this.operator(node) }, (letters, cause, place) => letters.value(describe(), String(key), at, cause, place))
    this.#setAsideNow += 1
  }

  markOf(name: string): unknown {
    return this.#marks.size > 0 ? this.#marks.get(name) : undefined
  }

  nodeOf(name: string): NodeId {
    return this.#marks.get(name)?.node ?? ''
  }

  meetMarked(name: string, place: FaultPlace, letter: Letter): 'dead-letter' | 'skip' {
    const error = this.#marks.get(name)?.error
    this.#met.push(name)
    this.#room.endsHere = true
    return this.#setAside(error, place, letter)
  }

  /** Set aside, or thrown: TakeBack, Stop. */
  fault(error: unknown, hadEffects: boolean, node: NodeId, name: string, place: FaultPlace, letter: Letter): 'dead-letter' | 'skip' {
    if (error instanceof TakeBack || error instanceof Stop) throw error
    if (hadEffects) {
      this.#marks.set(name, { error, node })
      throw new TakeBack()
    }
    return this.#setAside(error, place, letter)
  }

  #setAside(error: unknown, place: FaultPlace, letter: Letter): 'dead-letter' | 'skip' {
    if (this.#policy === 'fail' || isFatal(error)) throw new Stop(stopError(error, place, this.#task))
    if (this.#policy === 'dead-letter') letter(this.#letters, error, place)
    return this.#policy
  }

  /** What was met is behind us for good. */
  committed(): void {
    for (const name of this.#met) this.#marks.delete(name)
    this.#met = []
    this.sealEach = undefined
    this.emissionsSetAside += this.#setAsideNow
    this.#setAsideNow = 0
  }

  undone(): void {
    this.#met = []
    this.#setAsideNow = 0
  }
}

const nameOf = (node: NodeId, at: number, key: Key): string => `${node} ${at} ${typeof key === 'number' ? '#' : ''}${key}`
