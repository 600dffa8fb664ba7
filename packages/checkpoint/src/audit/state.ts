// A task's state replayed from bytes alone: a snapshot, or nothing, and the after-images of the batches behind it. A second decoder of what the
// task's own tables write, so that a mistake in those does not excuse itself.
import { hash } from 'node:crypto'
import { Packr } from 'msgpackr'
import { TidemarkError } from '@tidemark/base'

const IMAGES_VERSION = 1
/** Name of the table of undelivered outbox entries. */
const OUTBOX = '/outbox'

type Key = string | number
type GroupImages = readonly [group: number, deleted: readonly Key[], keys: readonly Key[], columns: readonly unknown[]]
type TableImages = readonly [table: string, dropped: readonly number[], groups: readonly GroupImages[]]

const packr = new Packr({ useRecords: false })

/** Every entry by itself, as bytes that are equal for equal entries. What a column holds is told by its shape. */
const split = (columns: readonly unknown[], count: number): string[] => {
  const [first, second] = columns
  if (Buffer.isBuffer(first)) {
    const lengths = second as readonly number[]
    let at = 0
    return lengths.map((length) => {
      at += length
      return first.toString('latin1', at - length, at)
    })
  }
  const lists = columns as readonly (readonly unknown[])[]
  // Timers: how many times each key has, and all times. Where each has one, both readings say the same.
  if (lists.length === 2 && lists[1]?.length !== count) {
    let at = 0
    return (lists[0] as readonly number[]).map((times) => {
      at += times
      return pack([times, ...lists[1]?.slice(at - times, at) ?? []])
    })
  }
  return Array.from({ length: count }, (_, i) => pack(lists.map((list) => list[i])))
}

const pack = (value: unknown): string => packr.pack(value).toString('latin1')

interface Entry {
  readonly value: string
  /** That wrote it; undefined: it stood in the snapshot. */
  readonly batchId: number | undefined
}

/** Words of 32 bits in a SHA-256. */
const WORDS = 8

export interface StateDifference {
  readonly missing: number
  readonly extra: number
  readonly other: number
  /** The first one, for people. */
  readonly first: string
}

export class StateReplay {
  readonly #tables = new Map<string, Map<number, Map<Key, Entry>>>()
  readonly #outboxBytes = new Map<Key, number>()

  get keys(): number {
    let keys = 0
    for (const groups of this.#tables.values()) for (const entries of groups.values()) keys += entries.size
    return keys
  }

  get outbox(): { readonly entries: number, readonly bytes: number } {
    let bytes = 0
    for (const one of this.#outboxBytes.values()) bytes += one
    return { entries: this.#outboxBytes.size, bytes }
  }

  /** What one batch, or (without a number) one block of a snapshot, says. */
  apply(images: Buffer, batchId?: number): void {
    const [version, ...tables] = packr.unpack(images) as [number, ...TableImages[]]
    if (version !== IMAGES_VERSION) throw new TidemarkError(`state images of version ${version} can't be audited, only version ${IMAGES_VERSION}`, { code: 'AUDIT_STATE_VERSION', blame: 'user', action: 'exit', hint: 'Audit with the engine that wrote them.' })
    for (const [table, dropped, sections] of tables) {
      const groups = this.#tables.get(table) ?? new Map<number, Map<Key, Entry>>()
      this.#tables.set(table, groups)
      for (const group of dropped) groups.delete(group)
      for (const section of sections) this.#section(table, groups, section, batchId)
    }
  }

  #section(table: string, groups: Map<number, Map<Key, Entry>>, [group, deleted, keys, columns]: GroupImages, batchId: number | undefined): void {
    const entries = groups.get(group) ?? new Map<Key, Entry>()
    groups.set(group, entries)
    for (const key of deleted) {
      entries.delete(key)
      if (table === OUTBOX) this.#outboxBytes.delete(key)
    }
    const values = keys.length === 0 ? [] : split(columns, keys.length)
    for (const [i, key] of keys.entries()) {
      entries.set(key, { value: values[i] ?? '', batchId })
      if (table === OUTBOX) this.#outboxBytes.set(key, ((columns.at(-1) as readonly (readonly Buffer[])[])[i] ?? []).reduce((sum, record) => sum + record.length, 0))
    }
    if (entries.size === 0) groups.delete(group)
  }

  /** Hex, the same for equal states in whatever order they were made: the SHA-256 of each entry, added up word by word. */
  hash(): string {
    const sums = new Uint32Array(WORDS)
    for (const [table, group, key, { value }] of this.#all()) {
      const one = hash('sha256', packr.pack([table, group, key, value]), 'buffer')
      for (let word = 0; word < WORDS; word += 1) sums[word] = (sums[word] ?? 0) + one.readUInt32BE(4 * word)
    }
    return [...sums].map((word) => word.toString(16).padStart(8, '0')).join('')
  }

  /** That changes by itself. */
  copy(): StateReplay {
    const made = new StateReplay()
    for (const [table, groups] of this.#tables) made.#tables.set(table, new Map([...groups].map(([group, entries]) => [group, new Map(entries)])))
    for (const [key, bytes] of this.#outboxBytes) made.#outboxBytes.set(key, bytes)
    return made
  }

  /** `other`: what should be the same. Undefined: it is. */
  difference(other: StateReplay): StateDifference | undefined {
    let [missing, extra, differing, first] = [0, 0, 0, '']
    const note = (what: string, table: string, group: number, key: Key, batchId?: number): void => {
      if (first === '') first = `${what} ${JSON.stringify(key)} of "${table}"${group === 0 ? '' : `, group ${group}`}${batchId === undefined ? '' : `, which batch ${batchId} wrote last`}`
    }
    for (const [table, group, key, entry] of this.#all()) {
      const there = other.#tables.get(table)?.get(group)?.get(key)
      if (there === undefined) {
        missing += 1
        note('not there:', table, group, key, entry.batchId)
      } else if (there.value !== entry.value) {
        differing += 1
        note('another value of', table, group, key, entry.batchId ?? there.batchId)
      }
    }
    for (const [table, group, key, entry] of other.#all()) {
      if (this.#tables.get(table)?.get(group)?.has(key) === true) continue
      extra += 1
      note('too much:', table, group, key, entry.batchId)
    }
    return first === '' ? undefined : { missing, extra, other: differing, first }
  }

  * #all(): Generator<readonly [table: string, group: number, key: Key, entry: Entry], void, void> {
    for (const [table, groups] of this.#tables) for (const [group, entries] of groups) for (const [key, entry] of entries) yield [table, group, key, entry]
  }
}
