// Closes windows when the watermark has passed them: emits each key's result once, in portions where a batch can't take them all. A window
// that is done is dropped in one change; of a portion the keys that went out are deleted, and the watermark is not recorded until the last.
import type { AggregateNode, Key, ReduceNode } from 'tidemark'
import type { Group } from '../state/table.ts'
import type { FaultPolicy } from '../task/fault-policy.ts'
import type { Room } from '../task/room.ts'
import { closesAt, resultTime } from '../windows/tumbling.ts'
import type { Scope } from './scope.ts'

/** Something that acts when the watermark moves. */
export interface Advancing {
  /** This operator's watermark is the stage's minus this, ms: how much later than the watermark results before it may come. */
  readonly lagMs: number
  /** True: done up to `watermark` (already less the lag). False: the batch is full or time is up; go on here before anything else. */
  advance(watermark: number, room: Room, faults: FaultPolicy): boolean
}

/** A windowed operator, as far as closing needs it. `E`: its entry. */
export interface Closing<E, G extends Group<E, unknown> = Group<E, unknown>> {
  readonly node: AggregateNode | ReduceNode
  readonly lagMs: number
  earliest(): G | undefined
  /** False: it went out in a portion of this very batch. */
  present(entry: E): boolean
  emitResult(group: G, key: Key, entry: E): void
  describe(group: G, key: Key, entry: E): unknown
  dropGroup(group: G): void
  deleteKey(group: G, key: Key): void
}

export class WindowCloser<E, G extends Group<E, unknown>> implements Advancing {
  readonly lagMs: number
  readonly #closing: Closing<E, G>
  readonly #scope: Scope

  constructor(closing: Closing<E, G>, scope: Scope) {
    this.lagMs = closing.lagMs
    this.#closing = closing
    this.#scope = scope
  }

  advance(watermark: number, room: Room, faults: FaultPolicy): boolean {
    const { window, emit } = this.#closing.node
    if (window === null) return true
    for (let group = this.#closing.earliest(); group !== undefined; group = this.#closing.earliest()) {
      if (closesAt(window, group.id) > watermark) return true
      if (emit === 'final' && !this.#emitAll(group, resultTime(window, group.id), room, faults)) return false
      this.#closing.dropGroup(group)
    }
    return true
  }

  /** False: only a portion went out; its keys are deleted. */
  #emitAll(group: G, time: number, room: Room, faults: FaultPolicy): boolean {
    const { id: node } = this.#closing.node
    let done = 0
    let whole = true
    try {
      for (const [key, entry] of group.entries) {
        if (!this.#closing.present(entry)) continue
        if (room.spent()) {
          whole = false
          break
        }
        this.#scope.fromOperator(node, group.id, key)
        this.#scope.time = time
        this.#scope.now = time
        if (faults.isMarked(node, group.id, key)) faults.meet(node, group.id, key, () => this.#closing.describe(group, key, entry))
        else {
          const effects = this.#scope.effects
          faults.beginsAt(node, group.id, key)
          try {
            this.#closing.emitResult(group, key, entry)
            faults.afterEach()
          } catch (error) {
            faults.failed(error, this.#scope.effects > effects, node, group.id, key, () => this.#closing.describe(group, key, entry))
          }
        }
        done += 1
        room.taken()
      }
    } catch (stop) {
      this.#deleteFirst(group, done)
      throw stop
    }
    if (!whole) this.#deleteFirst(group, done)
    return whole
  }

  #deleteFirst(group: G, count: number): void {
    let left = count
    for (const [key, entry] of group.entries) {
      if (left === 0) return
      if (!this.#closing.present(entry)) continue
      this.#closing.deleteKey(group, key)
      left -= 1
    }
  }
}
