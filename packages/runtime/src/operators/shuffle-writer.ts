// A keyBy that shuffles: the end of a stage. Routes each record to a downstream task by its key; a value is encoded at once, so that nothing done
// to it later can change what was sent, and what is too large is the error of the record that made it.
import { TidemarkError } from '@tidemark/base'
import type { Append } from '@tidemark/base'
import { encodeBlocks } from '@tidemark/checkpoint'
import type { BlockHeader, ShuffleRecord } from '@tidemark/checkpoint'
import type { Key, KeyByFunctions, NodeId } from 'tidemark'
import type { Outputs } from '../task/outputs.ts'
import { checkKey, shownKey, shufflePartition } from './keys.ts'
import { FATE } from './scope.ts'
import type { Push, Scope } from './scope.ts'
import { packShuffled, SHUFFLED_BYTES_MAX } from './shuffled-value.ts'
import { refusePromise } from './user-code.ts'

/** Marks are sent at most so often, unless records go out or idleness changes, ms. */
const MARK_INTERVAL_MS = 50

/** What readers are told besides records. */
export interface Announcement {
  readonly watermark: number | undefined
  readonly idle: boolean
  /** Idle, and that was seen since readers were last told anything. Only then they may be told so. */
  readonly certain: boolean
}

interface Told {
  readonly watermark: number | undefined
  readonly idle: boolean
  readonly at: number
}

const refuseTooLarge = (shuffle: string, key: Key, valueBytes: number): void => {
  const bytes = valueBytes + Buffer.byteLength(String(key))
  if (bytes <= SHUFFLED_BYTES_MAX) return
  throw new TidemarkError(`a value of ${valueBytes} bytes with key ${JSON.stringify(shownKey(key))} is to be shuffled; ${SHUFFLED_BYTES_MAX} bytes are the most, the key among them`, {
    code: 'TASK_VALUE_TOO_LARGE', blame: 'user', action: 'fail-job', details: { shuffle, key: shownKey(key), bytes }, hint: 'Shuffle a smaller value: drop fields before keyBy. Of a long key a hash may do.',
  })
}

export class ShuffleWriter {
  readonly shuffle: string
  readonly push: Push
  /** The watermark told to readers is the stage's minus this, ms. */
  readonly lagMs: number
  readonly #topic: string
  readonly #partitions: ShuffleRecord[][]
  /** Last said to all readers, by a committed batch; and what the frozen batch says. */
  #told: Told | undefined
  #telling: Told | undefined
  #sent = false
  readonly #renewMs: number

  constructor(node: NodeId, functions: KeyByFunctions, shuffle: { readonly shuffle: string, readonly topic: string, readonly partitions: number, readonly carriesOrigin: boolean, readonly renewMs: number }, scope: Scope, outputs: Outputs, lagMs: number) {
    this.shuffle = shuffle.shuffle
    this.lagMs = lagMs
    this.#topic = shuffle.topic
    this.#renewMs = shuffle.renewMs
    this.#partitions = Array.from({ length: shuffle.partitions }, () => [])
    const { partitions, carriesOrigin } = shuffle
    const lists = this.#partitions
    this.push = (value) => {
      scope.node = node
      const selected: unknown = functions.key(value)
      refusePromise(selected, `keyBy ${node}`)
      const key = checkKey(selected)
      const packed = carriesOrigin ? packShuffled(value, scope.nextOrigin(), scope.now) : packShuffled(value)
      const keyLength = typeof key === 'string' ? key.length : 0
      if (packed.length + keyLength * 3 > SHUFFLED_BYTES_MAX) refuseTooLarge(shuffle.shuffle, key, packed.length)
      ;(lists[shufflePartition(key, partitions)] as ShuffleRecord[]).push({ key, value: packed, timestamp: scope.time })
      outputs.bytes += packed.length + keyLength + 24
      outputs.emitted += 1
      scope.effects += 1
      scope.fate |= FATE.passedOn
    }
  }

  /** Whether readers have to be told something even without records. */
  owes(now: Announcement, at: number): boolean {
    const told = this.#told
    if (told === undefined) return now.watermark !== undefined || now.certain
    if (told.idle ? !now.idle : now.certain) return true
    if (told.idle && now.certain && Math.abs(at - told.at) >= this.#renewMs) return true
    return told.watermark !== now.watermark && Math.abs(at - told.at) >= MARK_INTERVAL_MS
  }

  /** Blocks of the batch: to every partition when there is something to tell, else to those that have records. */
  appends(header: Omit<BlockHeader, 'watermark' | 'idle'>, now: Announcement, at: number): Append[] {
    const some = this.#partitions.some((records) => records.length > 0)
    const tells = this.owes(now, at) || (some && (this.#told === undefined || this.#told.watermark !== now.watermark || this.#told.idle))
    const { watermark, certain: idle } = now
    this.#telling = tells ? { watermark, idle, at } : undefined
    this.#sent = tells || some
    const full: BlockHeader = { ...header, idle, ...(now.watermark === undefined ? {} : { watermark: now.watermark }) }
    const appends: Append[] = []
    for (const [partition, records] of this.#partitions.entries()) {
      if (!tells && records.length === 0) continue
      for (const value of encodeBlocks(full, records)) appends.push({ topic: this.#topic, partition, records: [{ key: null, value }] })
    }
    return appends
  }

  /** Whether the batch had blocks. */
  committed(): boolean {
    const sent = this.#sent
    if (this.#telling !== undefined) this.#told = this.#telling
    this.clear()
    return sent
  }

  clear(): void {
    for (const records of this.#partitions) records.length = 0
    this.#telling = undefined
    this.#sent = false
  }

  /** Nothing is known of what readers were told: the next batch tells them. */
  forget(): void {
    this.#told = undefined
  }
}
