// A keyed table of a task's state: entries by key inside groups (a group is a window; where there are no windows it is group 0). Knows what
// the open batch touched, so that it can write after-images, take the batch back, and tell a walk what changed.
import type { Key } from 'tidemark'
import { invariantBroken } from '@tidemark/base'
import TinyQueue from 'tinyqueue'

/** The only group of a table without windows. */
export const UNGROUPED = 0

/**
 * What a batch, or a slice of a walk, says about one table. Drops first, then the groups' sections: deleted keys, keys, and columns of values
 * in the order of the keys (what the columns hold is the table's own).
 */
export type GroupImages = readonly [group: number, deleted: readonly Key[], keys: readonly Key[], columns: readonly unknown[]]
export type TableImages = readonly [table: string, dropped: readonly number[], groups: readonly GroupImages[]]

export interface Slice {
  readonly images: TableImages
  /** About. */
  readonly bytes: number
}

/** Counts what the open batch has changed, over all tables; about bytes. */
export class StateMeter {
  changedBytes = 0
}

export class Group<E, B> {
  readonly id: number
  readonly entries = new Map<Key, E>()
  /** About what the entries take, bytes. */
  bytes = 0
  /** The batch (as the table counts them) that touched this group last, and the one that made it. */
  stamp = 0
  readonly born: number
  /** Keys that the open batch touched, with what was there before: a copy, never a reference to something that user code can change. */
  keys: Key[] = []
  befores: (B | undefined)[] = []

  constructor(id: number, born: number) {
    this.id = id
    this.born = born
  }
}

export abstract class Table<E, B, G extends Group<E, B> = Group<E, B>> {
  readonly name: string
  readonly groups = new Map<number, G>()
  /** Number of the open batch, counted here and only in memory: an entry that carries it has its before-image already. */
  stamp = 1
  protected readonly meter: StateMeter
  /** Ids of groups, the least first; may hold some that are gone. */
  readonly #order = new TinyQueue<number>()
  #touched: G[] = []
  #dropped: G[] = []
  /** Keys changed since a walk began; undefined while none is under way. */
  #walked: Map<number, Set<Key>> | undefined
  #walkedDrops = new Set<number>()

  constructor(name: string, meter: StateMeter) {
    this.name = name
    this.meter = meter
  }

  /** What the entry holds now, so that nothing done to it later changes this. */
  protected abstract restore(group: G, key: Key, before: B): void
  /** Whether the entry counts (a deleted one may stay in the map until its batch is over). */
  protected abstract present(entry: E): boolean
  protected abstract columns(group: G, entries: readonly E[]): unknown[]
  protected abstract read(group: G, keys: readonly Key[], columns: readonly unknown[]): void
  protected abstract bytesOf(key: Key, entry: E): number
  /** A batch is over: entries of these keys may let go of what only a batch needs. */
  protected abstract settle(group: G): void

  get keyCount(): number {
    let count = 0
    for (const group of this.groups.values()) count += group.entries.size
    return count
  }

  get bytes(): number {
    let bytes = 0
    for (const group of this.groups.values()) bytes += group.bytes
    return bytes
  }

  protected make(id: number): G {
    return new Group<E, B>(id, this.stamp) as G
  }

  group(id: number): G {
    const known = this.groups.get(id)
    if (known !== undefined) return known
    const made = this.make(id)
    this.groups.set(id, made)
    this.#order.push(id)
    return made
  }

  /** The group with the least id. */
  earliest(): G | undefined {
    for (let id = this.#order.peek(); id !== undefined; id = this.#order.peek()) {
      const group = this.groups.get(id)
      if (group !== undefined) return group
      this.#order.pop()
    }
    return undefined
  }

  /** Notes that the open batch is about to change this key. Once for each entry and batch. */
  protected touch(group: G, key: Key, before: B | undefined): void {
    if (group.stamp !== this.stamp) {
      group.stamp = this.stamp
      group.keys = []
      group.befores = []
      this.#touched.push(group)
    }
    group.keys.push(key)
    group.befores.push(before)
  }

  /** Removes a whole group: one change, however many keys it has. */
  dropGroup(group: G): void {
    this.groups.delete(group.id)
    this.#dropped.push(group)
    this.meter.changedBytes += 9
  }

  protected removeEntry(group: G, key: Key): void {
    const entry = group.entries.get(key)
    if (entry === undefined) return
    group.bytes -= this.bytesOf(key, entry)
    group.entries.delete(key)
  }

  get changed(): boolean {
    return this.#touched.length > 0 || this.#dropped.length > 0
  }

  /** After-images of the open batch. Undefined: it changed nothing here. */
  images(): TableImages | undefined {
    const dropped = this.#dropped.filter((group) => group.born !== this.stamp).map((group) => group.id)
    const groups: GroupImages[] = []
    for (const group of this.#touched) {
      if (this.groups.get(group.id) !== group) continue
      const section = this.#section(group)
      if (section !== undefined) groups.push(section)
    }
    return dropped.length === 0 && groups.length === 0 ? undefined : [this.name, dropped, groups]
  }

  #section(group: G): GroupImages | undefined {
    const [deleted, keys, entries]: [Key[], Key[], E[]] = [[], [], []]
    for (let i = 0; i < group.keys.length; i += 1) {
      const key = group.keys[i] as Key
      const entry = group.entries.get(key)
      const before = group.befores[i]
      if (entry === undefined || !this.present(entry)) {
        if (before !== undefined) deleted.push(key)
      } else if (!this.unchanged(entry, before)) {
        keys.push(key)
        entries.push(entry)
      }
    }
    return deleted.length === 0 && keys.length === 0 ? undefined : [group.id, deleted, keys, this.columns(group, entries)]
  }

  /** Whether the entry, though touched, is what it was. */
  protected unchanged(_entry: E, _before: B | undefined): boolean {
    return false
  }

  /** Encodes what user code may have changed; throws when that can't be kept. */
  seal(): void {}

  /** The open batch is real. */
  commit(): void {
    for (const group of this.#touched) {
      const attached = this.groups.get(group.id) === group
      if (this.#walked !== undefined && attached) this.#noteKeys(this.#walked, group.id, group.keys)
      this.settle(group)
      group.keys = []
      group.befores = []
      if (group.entries.size === 0 && attached) this.groups.delete(group.id)
    }
    if (this.#walked !== undefined) for (const group of this.#dropped) this.#walkedDrops.add(group.id)
    this.#end()
  }

  /** The open batch never was: every entry is what it was before it. */
  undo(): void {
    for (const group of this.#dropped) {
      if (group.born === this.stamp) continue
      this.groups.set(group.id, group)
      this.#order.push(group.id)
      // A walk may have come past while the group was away.
      if (this.#walked !== undefined) this.#noteKeys(this.#walked, group.id, [...group.entries.keys()])
    }
    for (const group of this.#touched) {
      if (this.#walked !== undefined) this.#noteKeys(this.#walked, group.id, group.keys)
      for (let i = group.keys.length - 1; i >= 0; i -= 1) {
        const key = group.keys[i] as Key
        const before = group.befores[i]
        if (before === undefined) this.removeEntry(group, key)
        else this.restore(group, key, before)
      }
      group.keys = []
      group.befores = []
      if (group.born === this.stamp && this.groups.get(group.id) === group) this.groups.delete(group.id)
    }
    this.#end()
  }

  #end(): void {
    this.#touched = []
    this.#dropped = []
    this.stamp += 1
  }

  #noteKeys(into: Map<number, Set<Key>>, group: number, keys: readonly Key[]): void {
    const noted = into.get(group) ?? new Set<Key>()
    into.set(group, noted)
    for (const key of keys) noted.add(key)
  }

  /** Takes over what another owner's batch, or a slice of a snapshot, says. Only between batches. */
  apply([, dropped, groups]: TableImages): void {
    if (this.changed) throw invariantBroken('1', `images for table ${this.name} while a batch is open`, {})
    for (const id of dropped) this.groups.delete(id)
    for (const [id, deleted, keys, columns] of groups) {
      const group = this.group(id)
      for (const key of deleted) this.removeEntry(group, key)
      this.read(group, keys, columns)
      if (group.entries.size === 0) this.groups.delete(id)
    }
    this.stamp += 1
  }

  /** Begins to note changes for a walk (S1). */
  walkBegins(): void {
    this.#walked = new Map()
    this.#walkedDrops = new Set()
  }

  walkEnds(): void {
    this.#walked = undefined
    this.#walkedDrops = new Set()
  }

  /** Present values of every key changed since the walk began: the last block of a snapshot. Only while no batch is open (S9). */
  changedSinceWalk(): TableImages | undefined {
    if (this.changed) throw invariantBroken('S9', `the walk of table ${this.name} was to be completed while a batch is open`, {})
    const groups: GroupImages[] = []
    for (const [id, noted] of this.#walked ?? []) {
      const group = this.groups.get(id) ?? this.make(id)
      const [deleted, keys, entries]: [Key[], Key[], E[]] = [[], [], []]
      for (const key of noted) {
        const entry = group.entries.get(key)
        if (entry === undefined) deleted.push(key)
        else {
          keys.push(key)
          entries.push(entry)
        }
      }
      groups.push([id, deleted, keys, this.columns(group, entries)])
    }
    return groups.length === 0 && this.#walkedDrops.size === 0 ? undefined : [this.name, [...this.#walkedDrops], groups]
  }

  /** Every entry once, in slices of about `bytesMax()` bytes; what changes meanwhile is seen or not (`changedSinceWalk` has it). */
  * slices(bytesMax: () => number): Generator<Slice, void, void> {
    let [groups, bytes]: [GroupImages[], number] = [[], 0]
    let limit = bytesMax()
    for (const group of this.groups.values()) {
      let [keys, entries]: [Key[], E[]] = [[], []]
      for (const [key, entry] of group.entries) {
        if (!this.present(entry)) continue
        keys.push(key)
        entries.push(entry)
        bytes += this.bytesOf(key, entry) + 16
        if (bytes < limit) continue
        groups.push([group.id, [], keys, this.columns(group, entries)])
        yield { images: [this.name, [], groups], bytes }
        ;[groups, bytes] = [[], 0]
        ;[keys, entries] = [[], []]
        limit = bytesMax()
      }
      if (keys.length > 0) groups.push([group.id, [], keys, this.columns(group, entries)])
    }
    if (groups.length > 0) yield { images: [this.name, [], groups], bytes }
  }

  /** Each entry by itself, for comparing state. */
  * entriesAlone(): Generator<readonly unknown[], void, void> {
    for (const group of this.groups.values()) for (const [key, entry] of group.entries) if (this.present(entry)) yield [group.id, key, this.columns(group, [entry])]
  }
}
