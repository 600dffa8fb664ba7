// A process handler: user code over one key at a time, with keyed state and event-time timers.
import type { JobId } from '@tidemark/base'
import type { Key, ProcessFunctions, ProcessNode } from 'tidemark'
import type { TimerTable } from '../state/timer-table.ts'
import type { ValueTable } from '../state/value-table.ts'
import type { FaultPolicy } from '../task/fault-policy.ts'
import type { Room } from '../task/room.ts'
import type { Advancing } from './closing.ts'
import { OperatorContext } from './process-context.ts'
import { FATE } from './scope.ts'
import type { Push, Scope } from './scope.ts'
import { refusePromise } from './user-code.ts'

export interface ProcessOptions {
  readonly job: JobId
  readonly node: ProcessNode
  readonly functions: ProcessFunctions
  readonly values: ValueTable
  readonly pending: TimerTable
  readonly scope: Scope
  readonly lagMs: number
  /** What it emits is kept by operators behind this one in the same stage. */
  readonly copies: boolean
  readonly next: Push
}

export class ProcessOperator implements Advancing {
  readonly push: Push
  readonly lagMs: number
  readonly #options: ProcessOptions
  readonly #context: OperatorContext

  constructor(options: ProcessOptions) {
    this.#options = options
    this.lagMs = options.lagMs
    this.#context = new OperatorContext({ ...options, node: options.node.id })
    const { functions, scope, node } = options
    this.push = (value) => {
      scope.node = node.id
      this.#context.enter()
      try {
        refusePromise(functions.onRecord(this.#context, value), `process "${node.name}"`)
      } finally {
        this.#context.leave()
      }
      this.#context.rethrow()
      scope.fate |= FATE.folded
    }
  }

  /** Fires timers in order of time. A timer that a timer sets at or before the watermark fires too. */
  advance(watermark: number, room: Room, faults: FaultPolicy): boolean {
    const { pending, node } = this.#options
    for (let timer = pending.due(watermark); timer !== undefined; timer = pending.due(watermark)) {
      if (room.spent()) return false
      const { time, key } = timer
      const describe = (): unknown => ({ key, timer: time })
      room.taken()
      if (faults.isMarked(node.id, time, key)) {
        faults.meet(node.id, time, key, describe)
        pending.delete(key, time)
        continue
      }
      faults.beginsAt(node.id, time, key)
      try {
        this.#fire(time, key, watermark)
        faults.afterEach()
      } catch (error) {
        // That the timer is gone is an effect already.
        faults.failed(error, true, node.id, time, key, describe)
      }
    }
    return true
  }

  #fire(time: number, key: Key, watermark: number): void {
    const { pending, scope, functions, node } = this.#options
    pending.delete(key, time)
    scope.effects += 1
    if (functions.onTimer === undefined) return
    scope.fromOperator(node.id, time, key)
    scope.time = time
    scope.now = time
    scope.node = node.id
    this.#context.enter(watermark)
    try {
      refusePromise(functions.onTimer(this.#context, time), `process "${node.name}"`)
    } finally {
      this.#context.leave()
    }
    this.#context.rethrow()
  }
}
