// Takes one record of a source, or one block of a shuffle, into the chain: decodes, checks the time, and sees to it that whatever happens the record
// is counted once.
import { TidemarkError } from '@tidemark/base'
import type { LogRecord } from '@tidemark/base'
import { decodeBlock } from '@tidemark/checkpoint'
import type { Block } from '@tidemark/checkpoint'
import type { BytesSourceFunctions, GeneratorSourceFunctions, Key, NodeId } from 'tidemark'
import type { Push, Scope } from '../operators/scope.ts'
import { unpackShuffled } from '../operators/shuffled-value.ts'
import { refusePromise } from '../operators/user-code.ts'
import type { Upstreams } from '../watermarks/upstreams.ts'
import { Stop, TakeBack } from './errors.ts'
import type { FaultPolicy } from './fault-policy.ts'
import type { InputPartition } from './input.ts'
import type { Tally } from './tally.ts'

interface Common {
  readonly push: Push
  readonly scope: Scope
  readonly faults: FaultPolicy
  readonly tally: Tally
}

export interface SourceIntakeOptions extends Common {
  readonly node: NodeId
  readonly functions: BytesSourceFunctions | GeneratorSourceFunctions
  /** It decodes by a user's code, or not at all: what that is given it may change, and an undone batch and other tasks read the same bytes again. */
  readonly ownBytes: boolean
  readonly outOfOrdernessMs: number
  readonly futureTimestampBoundMs: number
}

/** Farthest from 1970, either way, that a Date can be, ms. A log takes no time that is much farther. */
const TIME_MAX = 8.64e15

const timeError = (time: unknown): TidemarkError =>
  Number.isFinite(time)
    ? new TidemarkError(`the event time ${String(time)} of the record is farther from 1970 than a date can be, ${TIME_MAX} ms`, { code: 'TASK_TIMESTAMP_INVALID', blame: 'user', action: 'fail-job', hint: 'Times are ms since 1970: are these micro- or nanoseconds?' })
    : new TidemarkError(`the event time of the record is ${typeof time === 'number' ? time : `a value of type ${typeof time}`}, not a number of ms`, { code: 'TASK_TIMESTAMP_INVALID', blame: 'user', action: 'fail-job' })

const futureError = (time: number, now: number, boundMs: number): TidemarkError =>
  new TidemarkError(`the event time ${time} is ${time - now} ms ahead of the wall clock, more than the ${boundMs} ms allowed`, {
    code: 'TASK_TIMESTAMP_FUTURE', blame: 'user', action: 'fail-job', hint: 'It would close every window. Check the clock of its producer, or raise futureTimestampBound.',
  })

export class SourceIntake {
  readonly kind = 'source'
  readonly #options: SourceIntakeOptions
  readonly #decode: ((bytes: Buffer) => unknown) | undefined
  readonly #make: ((partition: number, sequence: number) => unknown) | undefined
  readonly #timestamp: ((value: unknown) => number) | undefined

  constructor(options: SourceIntakeOptions) {
    this.#options = options
    const { functions, node, ownBytes } = options
    const what = `source ${node}`
    if (functions.source === 'generator') this.#make = (partition, sequence) => refusePromise(functions.make(partition, sequence), what)
    else this.#decode = ownBytes ? (bytes) => refusePromise(functions.decode(Buffer.from(bytes)), what) : (bytes) => functions.decode(bytes)
    const { timestamp } = functions
    this.#timestamp = timestamp === undefined ? undefined : (value) => timestamp.call(functions, value)
  }

  take(input: InputPartition, record: LogRecord, now: number): void {
    const { scope, tally, push, node, outOfOrdernessMs, futureTimestampBoundMs, faults } = this.#options
    const effects = scope.effects
    scope.fromSource(node, input.partition, record.offset)
    scope.node = node
    scope.recordKey = record.key
    scope.now = record.timestamp
    if (faults.hasMarks && faults.markOf(nameOf(input, record.offset)) !== undefined) {
      const name = nameOf(input, record.offset)
      const place = this.#place(input, record, faults.nodeOf(name))
      tally.setAside(faults.meetMarked(name, place, (letters, error) => letters.record(this.#whole(input, record), error, place)))
      return
    }
    faults.begins?.({ name: nameOf(input, record.offset), node })
    try {
      const value = this.#make === undefined ? this.#decoded(record) : this.#make(input.partition, record.offset)
      const time = this.#timestamp === undefined ? record.timestamp : this.#timestamp(value)
      if (!Number.isFinite(time) || Math.abs(time) > TIME_MAX) {
        refusePromise(time, `the timestamp of source ${node}`)
        throw timeError(time)
      }
      if (time > now + futureTimestampBoundMs) throw futureError(time, now, futureTimestampBoundMs)
      scope.time = time
      // What is generated has no other time that repeats.
      if (this.#make !== undefined) scope.now = time
      push(value)
      faults.afterEach()
      if (time - outOfOrdernessMs > input.watermark) input.watermark = time - outOfOrdernessMs
    } catch (error) {
      const place = this.#place(input, record, scope.node)
      tally.setAside(faults.fault(error, scope.effects > effects, scope.node, nameOf(input, record.offset), place, (letters, cause) => letters.record(this.#whole(input, record), cause, place)))
      return
    }
    tally.fate(scope.fate)
  }

  #decoded(record: LogRecord): unknown {
    if (record.value === null) throw new TidemarkError('the record has no value', { code: 'JOB_DECODE', blame: 'user', action: 'fail-job' })
    return this.#decode?.(record.value)
  }

  /** A generated record has no bytes; its dead letter gets the value as JSON. */
  #whole(input: InputPartition, record: LogRecord): LogRecord {
    if (this.#make === undefined) return record
    try {
      return { ...record, value: Buffer.from(JSON.stringify(this.#make(input.partition, record.offset)) ?? 'null') }
    } catch {
      return record
    }
  }

  #place(input: InputPartition, record: LogRecord, node: NodeId): { topic: string, partition: number, offset: number, operator: string } {
    return { topic: input.topic, partition: input.partition, offset: record.offset, operator: this.#options.faults.operator(node) }
  }
}

const nameOf = (input: InputPartition, offset: number | string): string => `${input.input} ${input.topic}/${input.partition}@${offset}`

export interface BlockIntakeOptions extends Common {
  readonly upstreams: Upstreams
}

export class BlockIntake {
  readonly kind = 'block'
  readonly #options: BlockIntakeOptions
  /** The task stops before this block. */
  #stopped: { readonly name: string, readonly stop: Stop } | undefined

  constructor(options: BlockIntakeOptions) {
    this.#options = options
  }

  /** `offset` of the block's record, or `in-flight <index>`. A block is taken whole or not at all. */
  take(input: InputPartition, bytes: Buffer, offset: number | string): void {
    const name = nameOf(input, offset)
    if (this.#stopped?.name === name) throw this.#stopped.stop
    try {
      this.#whole(input, bytes, offset)
    } catch (error) {
      if (!(error instanceof Stop)) throw error
      this.#stopped = { name, stop: error }
      throw new TakeBack()
    }
  }

  #whole(input: InputPartition, bytes: Buffer, offset: number | string): void {
    const { tally, upstreams } = this.#options
    const block = decodeBlock(bytes, typeof offset === 'number' ? offset : -1)
    upstreams.check(input.input, block)
    for (let i = 0; i < block.values.length; i += 1) this.#record(input, block, i, offset)
    tally.blocks += 1
    tally.shuffleRecords += block.values.length
    upstreams.fold(input.input, block)
  }

  #record(input: InputPartition, block: Block, i: number, offset: number | string): void {
    const { scope, tally, push, faults } = this.#options
    const effects = scope.effects
    const key = block.keys[i] as Key
    const time = block.timestamps[i] as number
    const { value, origin, now } = unpackShuffled(block.values[i] as Buffer)
    scope.fromOrigin(origin ?? `${input.input}:${input.partition}:${offset}:${i}`)
    scope.key = key
    scope.time = time
    scope.now = now ?? time
    const name = faults.hasMarks ? nameOf(input, `${offset}.${i}`) : ''
    if (faults.hasMarks && faults.markOf(name) !== undefined) {
      const place = { topic: input.topic, partition: input.partition, offset: typeof offset === 'number' ? offset : -1, operator: faults.operator(faults.nodeOf(name)) }
      tally.setAside(faults.meetMarked(name, place, (letters, error) => letters.value(value, String(key), time, error, place)))
      return
    }
    faults.begins?.({ name: nameOf(input, `${offset}.${i}`), node: input.input })
    try {
      push(value)
      faults.afterEach()
    } catch (error) {
      const place = { topic: input.topic, partition: input.partition, offset: typeof offset === 'number' ? offset : -1, operator: faults.operator(scope.node) }
      tally.setAside(faults.fault(error, scope.effects > effects, scope.node, nameOf(input, `${offset}.${i}`), place, (letters, cause) => letters.value(value, String(key), time, cause, place)))
      return
    }
    tally.fate(scope.fate)
  }
}
