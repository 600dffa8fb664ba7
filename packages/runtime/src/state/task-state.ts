// All keyed state of one task: its tables by name, the after-images of a batch, the undo of one, the walk of a snapshot.
import { hash } from 'node:crypto'
import { invariantBroken, TidemarkError } from '@tidemark/base'
import { Packr } from 'msgpackr'
import type { SnapshotWalk } from '../task/task.ts'
import { StateMeter } from './table.ts'
import type { Slice, Table, TableImages } from './table.ts'

/** Version of the images' format; stands first in each. */
const IMAGES_VERSION = 1

type AnyTable = Table<object | number, object | string>

const packr = new Packr({ useRecords: false })

const encodeImages = (tables: readonly TableImages[]): Buffer => packr.pack([IMAGES_VERSION, ...tables])

export class TaskState {
  readonly meter = new StateMeter()
  readonly #tables = new Map<string, AnyTable>()
  #walk: Walk | undefined

  /** Registers a table under its name. */
  add<T extends AnyTable>(table: T): T {
    if (this.#tables.has(table.name)) throw invariantBroken('state', `two tables of one task are called "${table.name}"`, {})
    this.#tables.set(table.name, table)
    return table
  }

  get keys(): number {
    let keys = 0
    for (const table of this.#tables.values()) keys += table.keyCount
    return keys
  }

  get bytes(): number {
    let bytes = 0
    for (const table of this.#tables.values()) bytes += table.bytes
    return bytes
  }

  /** Whether the open batch touched anything. */
  get changed(): boolean {
    for (const table of this.#tables.values()) if (table.changed) return true
    return false
  }

  /** After-images of the open batch: one pack, a column for each slot of a table's values. */
  images(): Buffer {
    const changed: TableImages[] = []
    for (const table of this.#tables.values()) {
      const images = table.images()
      if (images !== undefined) changed.push(images)
    }
    return encodeImages(changed)
  }

  seal(): void {
    for (const table of this.#tables.values()) table.seal()
  }

  commit(): void {
    for (const table of this.#tables.values()) table.commit()
    this.meter.changedBytes = 0
  }

  undo(): void {
    for (const table of this.#tables.values()) table.undo()
    this.meter.changedBytes = 0
  }

  /** What another owner's batch, or a block of a snapshot, says. */
  apply(encoded: Buffer): void {
    const [version, ...tables] = packr.unpack(encoded) as [number, ...TableImages[]]
    if (version !== IMAGES_VERSION) {
      throw new TidemarkError(`state images of version ${version}, this engine knows ${IMAGES_VERSION}`, { code: 'TASK_STATE_VERSION', blame: 'environment', action: 'fail-job', hint: 'Run the engine that wrote them, or a newer one.' })
    }
    for (const images of tables) {
      const table = this.#tables.get(images[0])
      if (table === undefined) {
        throw new TidemarkError(`there is state of "${images[0]}", but no such operator in this job`, { code: 'TASK_STATE_UNKNOWN', blame: 'user', action: 'fail-job', hint: 'Operators with state keep their names while the state lives.', details: { known: [...this.#tables.keys()] } })
      }
      table.apply(images)
    }
  }

  startWalk(): SnapshotWalk {
    if (this.#walk !== undefined) throw invariantBroken('S9', 'a second walk was started beside the first', {})
    for (const table of this.#tables.values()) table.walkBegins()
    const walk = new Walk([...this.#tables.values()], () => {
      this.#walk = undefined
      for (const table of this.#tables.values()) table.walkEnds()
    })
    this.#walk = walk
    return walk
  }

  /** S2. */
  abandonWalk(): void {
    this.#walk?.abandon()
  }

  /** Of everything in it, in an order of its own: equal for equal state, whatever its history. */
  hash(): string {
    const lines: string[] = []
    for (const table of this.#tables.values()) for (const entry of table.entriesAlone()) lines.push(`${table.name} ${packr.pack(entry).toString('base64')}`)
    return hash('sha256', lines.sort().join('\n'), 'hex')
  }
}

class Walk implements SnapshotWalk {
  readonly #tables: readonly AnyTable[]
  readonly #end: () => void
  readonly #slices: Generator<Slice, void, void>
  #bytesMax = 0
  #open = true

  constructor(tables: readonly AnyTable[], end: () => void) {
    this.#tables = tables
    this.#end = end
    this.#slices = this.#all()
  }

  * #all(): Generator<Slice, void, void> {
    for (const table of this.#tables) yield* table.slices(() => this.#bytesMax)
  }

  next(bytesMax: number): Buffer | undefined {
    this.#assertOpen()
    this.#bytesMax = bytesMax
    const slices: TableImages[] = []
    for (let left = bytesMax; left > 0;) {
      const slice = this.#slices.next()
      if (slice.done === true) break
      slices.push(slice.value.images)
      left -= slice.value.bytes + 16
    }
    return slices.length === 0 ? undefined : encodeImages(slices)
  }

  finish(): { readonly block: Buffer, readonly keys: number } {
    this.#assertOpen()
    for (let slice = this.#slices.next(); slice.done !== true; slice = this.#slices.next()) throw invariantBroken('S1', 'a walk was to be completed before every key was visited', {})
    const changed: TableImages[] = []
    let keys = 0
    for (const table of this.#tables) {
      const since = table.changedSinceWalk()
      if (since !== undefined) changed.push(since)
      keys += table.keyCount
    }
    this.#open = false
    this.#end()
    return { block: encodeImages(changed), keys }
  }

  abandon(): void {
    if (!this.#open) return
    this.#open = false
    this.#end()
  }

  #assertOpen(): void {
    if (!this.#open) throw invariantBroken('S2', 'a walk that was abandoned, or finished, was continued', {})
  }
}
