// What a process handler is given. One object for each operator, pointed at the record or timer under way; it is not to be kept.
import { hash } from 'node:crypto'
import { TidemarkError } from '@tidemark/base'
import type { JobId } from '@tidemark/base'
import type { Key, NodeId, ProcessContext, ProcessFunctions, Timers, ValueState } from 'tidemark'
import { UNGROUPED } from '../state/table.ts'
import type { TimerTable } from '../state/timer-table.ts'
import { decodeValue, encodeValue } from '../state/value-codec.ts'
import type { Cell, ValueTable } from '../state/value-table.ts'
import type { Push, Scope } from './scope.ts'
import { Dice } from './dice.ts'
import { refusePromise } from './user-code.ts'

export class OperatorContext implements ProcessContext<Key, unknown, unknown> {
  readonly state: ValueState<unknown>
  readonly timers: Timers
  readonly #job: JobId
  readonly #node: NodeId
  readonly #scope: Scope
  readonly #lagMs: number
  readonly #next: Push
  readonly #copies: boolean
  #cell: Cell | undefined
  /** Of all values that one record, result or timer makes of this operator's input: one stream, or each would roll the same. */
  #dice: Dice | undefined
  #turn = 0
  #open = false
  #failed: { readonly error: unknown } | undefined
  #timestamp = 0
  /** While timers fire: the watermark that they fire for. It is recorded once all of them have. */
  #firingFor: number | undefined
  #key: Key = ''

  constructor(options: { readonly job: JobId, readonly node: NodeId, readonly functions: ProcessFunctions, readonly values: ValueTable, readonly pending: TimerTable, readonly scope: Scope, readonly lagMs: number, readonly copies: boolean, readonly next: Push }) {
    const { functions, values, pending, scope } = options
    this.#job = options.job
    this.#node = options.node
    this.#scope = scope
    this.#lagMs = options.lagMs
    this.#next = options.next
    this.#copies = options.copies
    const { initial } = functions
    const make = initial === undefined ? undefined : () => initial.call(functions)
    const cell = (): Cell => {
      this.#assertOpen()
      scope.effects += 1
      this.#cell ??= values.open(values.group(UNGROUPED), this.#key)
      return this.#cell
    }
    this.state = {
      get: () => {
        const at = cell()
        if (!at.has && at.initial === undefined && make !== undefined) {
          at.live = refusePromise(make(), `process ${options.node}`)
          at.initial = make
        }
        return at.live
      },
      set: (value) => values.set(cell(), value),
      delete: () => values.clear(cell()),
    }
    this.timers = {
      set: (time) => {
        this.#assertOpen()
        if (!Number.isFinite(time)) throw new TidemarkError(`timers.set(${time}): a time in ms is wanted`, { code: 'TASK_TIMER_INVALID', blame: 'user', action: 'fail-job' })
        scope.effects += 1
        pending.set(this.#key, time)
      },
      delete: (time) => {
        this.#assertOpen()
        scope.effects += 1
        pending.delete(this.#key, time)
      },
    }
  }

  /** Points at the record, or timer, that the scope is at. */
  enter(firingFor?: number): void {
    this.#open = true
    this.#firingFor = firingFor
    this.#cell = undefined
    if (this.#turn !== this.#scope.turn) this.#dice = undefined
    this.#turn = this.#scope.turn
    this.#failed = undefined
    this.#timestamp = this.#scope.time
    this.#key = this.#scope.key as Key
  }

  leave(): void {
    this.#open = false
    this.#cell = undefined
  }

  /** An error of an operator behind this one is not the handler's to catch. */
  rethrow(): void {
    if (this.#failed !== undefined) throw this.#failed.error
  }

  get key(): Key {
    return this.#key
  }

  get timestamp(): number {
    return this.#timestamp
  }

  get watermark(): number | undefined {
    if (this.#firingFor !== undefined) return this.#firingFor
    return this.#scope.watermark === -Infinity ? undefined : this.#scope.watermark - this.#lagMs
  }

  get now(): number {
    return this.#scope.now
  }

  emit(out: unknown): void {
    this.#assertOpen()
    // The handler's state may be what is emitted, and changed later: who keeps it in this stage gets a copy.
    const value = this.#copies ? decodeValue(encodeValue(out)) : out
    try {
      this.#next(value)
    } catch (error) {
      this.#failed ??= { error }
      throw error
    }
    this.#scope.node = this.#node
  }

  random(): number {
    return this.#roll().next()
  }

  uuid(): string {
    return this.#roll().uuid()
  }

  #roll(): Dice {
    this.#assertOpen()
    this.#dice ??= new Dice(hash('sha256', `${this.#job} ${this.#node} ${this.#scope.origin}`, 'buffer'))
    return this.#dice
  }

  #assertOpen(): void {
    if (this.#open) return
    throw new TidemarkError('a process context was used after its call had returned', { code: 'TASK_CONTEXT_KEPT', blame: 'user', action: 'fail-job', hint: 'Use ctx only inside onRecord and onTimer; no promises, no timeouts.' })
  }
}
