// Event-time timers by key, as a state table: an entry is a key's pending times in ascending order. A heap finds the next one to fire; it may
// hold times that are gone (deleted, undone), which are passed over.
import type { Key } from 'tidemark'
import { TidemarkError } from '@tidemark/base'
import TinyQueue from 'tinyqueue'
import { Table, UNGROUPED } from './table.ts'
import type { Group } from './table.ts'

/** Pending timers of one key at most. */
const TIMERS_PER_KEY_MAX = 10_000

/** Slot 0 is the stamp, the rest are times, ms. */
type Times = number[]

export interface Timer {
  readonly time: number
  readonly key: Key
}

const keyOrder = (a: Key, b: Key): number => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === 'number' ? -1 : 1
/** By time, then by key: the same state fires in the same order, whatever its history. */
const order = (a: Timer, b: Timer): number => a.time - b.time || keyOrder(a.key, b.key)

export class TimerTable extends Table<Times, Times> {
  #heap = new TinyQueue<Timer>([], order)
  #pending = 0

  set(key: Key, time: number): void {
    const group = this.group(UNGROUPED)
    const times = group.entries.get(key)
    if (times === undefined) {
      this.touch(group, key, undefined)
      this.#put(group, key, [this.stamp, time])
    } else {
      if (times.includes(time, 1)) return
      if (times.length > TIMERS_PER_KEY_MAX) {
        throw new TidemarkError(`key ${JSON.stringify(key)} of "${this.name}" has ${TIMERS_PER_KEY_MAX} pending timers already`, { code: 'TASK_TIMERS_TOO_MANY', blame: 'user', action: 'fail-job', hint: 'Set a timer only when none is pending, or round its time.' })
      }
      this.#put(group, key, [this.stamp, ...[...times.slice(1), time].sort((a, b) => a - b)], times)
    }
    this.#push({ time, key })
    this.meter.changedBytes += 20
  }

  /** Whether there was one. */
  delete(key: Key, time: number): boolean {
    const group = this.groups.get(UNGROUPED)
    const times = group?.entries.get(key)
    if (group === undefined || times === undefined || !times.includes(time, 1)) return false
    this.#put(group, key, [this.stamp, ...times.slice(1).filter((one) => one !== time)], times)
    this.meter.changedBytes += 20
    return true
  }

  /** The earliest timer at or before `watermark`; it stays until it is deleted. */
  due(watermark: number): Timer | undefined {
    for (let first = this.#heap.peek(); first !== undefined && first.time <= watermark; first = this.#heap.peek()) {
      if (this.groups.get(UNGROUPED)?.entries.get(first.key)?.includes(first.time, 1)) return first
      this.#heap.pop()
    }
    return undefined
  }

  get pending(): number {
    return this.#pending
  }

  // An entry is never changed in place, so the old one is its own before-image.
  #put(group: Group<Times, Times>, key: Key, times: Times, before?: Times): void {
    if (before !== undefined && before[0] !== this.stamp) this.touch(group, key, before)
    this.#pending += times.length - (before?.length ?? 1)
    group.bytes += 8 * (times.length - (before?.length ?? 1))
    group.entries.set(key, times)
  }

  #push(timer: Timer): void {
    this.#heap.push(timer)
    if (this.#heap.length > 2 * this.#pending + 1_000) this.#rebuild()
  }

  #rebuild(): void {
    const timers: Timer[] = []
    for (const group of this.groups.values()) for (const [key, times] of group.entries) for (let i = 1; i < times.length; i += 1) timers.push({ time: times[i] as number, key })
    this.#heap = new TinyQueue(timers, order)
  }

  #pushAll(key: Key, times: Times): void {
    for (let i = 1; i < times.length; i += 1) this.#push({ time: times[i] as number, key })
  }

  protected override restore(group: Group<Times, Times>, key: Key, before: Times): void {
    const present = group.entries.get(key)
    this.#pending += before.length - (present?.length ?? 1)
    group.bytes += 8 * (before.length - (present?.length ?? 1))
    group.entries.set(key, before)
    this.#pushAll(key, before)
  }

  protected override removeEntry(group: Group<Times, Times>, key: Key): void {
    this.#pending -= (group.entries.get(key)?.length ?? 1) - 1
    super.removeEntry(group, key)
  }

  protected override present(times: Times): boolean {
    return times.length > 1
  }

  protected override unchanged(times: Times, before: Times | undefined): boolean {
    return before !== undefined && before.length === times.length && times.every((time, i) => i === 0 || time === before[i])
  }

  protected override bytesOf(_key: Key, times: Times): number {
    return 8 * (times.length - 1)
  }

  protected override settle(group: Group<Times, Times>): void {
    for (const key of group.keys) if (group.entries.get(key)?.length === 1) group.entries.delete(key)
  }

  protected override columns(_group: object, entries: readonly Times[]): unknown[] {
    return [entries.map((times) => times.length - 1), entries.flatMap((times) => times.slice(1))]
  }

  protected override read(group: Group<Times, Times>, keys: readonly Key[], columns: readonly unknown[]): void {
    const [counts, times] = columns as [readonly number[], readonly number[]]
    let at = 0
    for (let i = 0; i < keys.length; i += 1) {
      const count = counts[i] as number
      this.restore(group, keys[i] as Key, [0, ...times.slice(at, at + count)])
      at += count
    }
  }
}
