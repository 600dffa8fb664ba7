// A task's newest snapshots against its journal: the older one and every after-image behind it make the newer one; positions and totals in both are
// those of their batches.
import { isDeepStrictEqual } from 'node:util'
import { howMany, isTidemarkError } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import { Packr } from 'msgpackr'
import type { BatchContent, CommitRecord, SnapshotRef } from '../records/records.ts'
import { sameOwner } from '../records/generation.ts'
import { decodeSnapshot } from '../snapshot/format.ts'
import type { FaultKind, Findings } from './findings.ts'
import { StateReplay } from './state.ts'

type Content = Omit<BatchContent, 'state'>

export interface ReadSnapshot {
  readonly ref: SnapshotRef
  readonly state: StateReplay
  readonly content: Content
}

const packr = new Packr({ useRecords: false })

/** Reports what is wrong with it; undefined: it can't be used. `bodies` in the order of `ref.objects`; undefined: missing. */
export const openSnapshot = (task: TaskRef, ref: SnapshotRef, bodies: readonly (Buffer | undefined)[], findings: Findings): ReadSnapshot | undefined => {
  const { stage, partition } = task
  const fault = (kind: FaultKind, message: string): void => findings.add(kind, `the snapshot of ${stage}-${partition} in checkpoint ${ref.checkpoint}, batch ${ref.batchId}, ${message}`, { stage, partition, batchId: ref.batchId })
  const missing = ref.objects.filter((_, i) => bodies[i] === undefined)
  if (missing.length > 0) {
    fault('snapshot-unreadable', `is gone: ${missing.map(({ key }) => key).join(', ')}`)
    return undefined
  }
  try {
    const { header, blocks } = decodeSnapshot(bodies as readonly Buffer[], ref.objects)
    const state = new StateReplay()
    for (const block of blocks.slice(0, -1)) state.apply(block)
    const content = packr.unpack(blocks.at(-1) ?? Buffer.alloc(0)) as Content
    if (header.batchId !== ref.batchId || header.checkpoint !== ref.checkpoint || !sameOwner(header.owner, ref.owner)) fault('snapshot-misplaced', `says of itself: checkpoint ${header.checkpoint}, batch ${header.batchId}, slot ${header.owner.slotId}`)
    if (header.keys !== state.keys || ref.keys !== state.keys) fault('keys-miscounted', `says it has ${howMany(header.keys, 'key')}, its journal says ${ref.keys}; ${howMany(state.keys, 'is', 'are')} in it`)
    findings.count('snapshots')
    return { ref, state, content }
  } catch (error) {
    if (isTidemarkError(error) && error.code === 'AUDIT_STATE_VERSION') throw error
    fault('snapshot-unreadable', `can't be read: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}

/** Fed with every commit record from the base on, in order. */
export class StateAudit {
  readonly #task: TaskRef
  readonly #findings: Findings
  readonly #state: StateReplay
  readonly #base: number
  readonly #snapshots: readonly ReadSnapshot[]
  #whole = true

  /** `state` is that after batch `base`, and is changed. `snapshots`: to be met on the way. */
  constructor(task: TaskRef, state: StateReplay, base: number, snapshots: readonly ReadSnapshot[], findings: Findings) {
    this.#task = task
    this.#state = state
    this.#base = base
    this.#snapshots = snapshots
    this.#findings = findings
    this.#meet(base)
  }

  take({ content: { state, ...content } }: CommitRecord): void {
    for (const snapshot of this.#snapshots) if (snapshot.ref.batchId === content.batchId) this.#compare(snapshot, content)
    if (content.batchId <= this.#base || !this.#whole) return
    try {
      this.#state.apply(state, content.batchId)
    } catch (error) {
      this.#whole = false
      return this.#fault('journal-damaged', content.batchId, `the after-images of batch ${content.batchId} can't be read: ${error instanceof Error ? error.message : String(error)}`)
    }
    const outbox = this.#state.outbox
    if (!isDeepStrictEqual(outbox, content.outbox)) this.#fault('outbox-differs', content.batchId, `behind batch ${content.batchId} ${howMany(outbox.entries, 'outbox entry', 'outbox entries')} of ${howMany(outbox.bytes, 'byte')} ${outbox.entries === 1 ? 'is' : 'are'} undelivered; it says ${content.outbox.entries} of ${content.outbox.bytes}`)
    this.#meet(content.batchId)
  }

  #meet(batchId: number): void {
    for (const { ref, state } of this.#snapshots) {
      if (ref.batchId !== batchId || state === this.#state) continue
      this.#findings.count('states')
      const difference = this.#state.difference(state)
      if (difference === undefined) continue
      const { missing, extra, other, first } = difference
      this.#fault('state-differs', batchId, `the snapshot of checkpoint ${ref.checkpoint} is not the state behind batch ${batchId}: ${howMany(missing, 'entry is', 'entries are')} missing, ${extra} too many, ${other} others; ${first}`)
    }
  }

  #compare({ ref, content: found }: ReadSnapshot, content: Content): void {
    // Partitions that were added to a source behind the batch: the snapshot may name them first.
    const positions = found.positions.filter(({ input, topic, partition }) => content.positions.some((one) => one.input === input && one.topic === topic && one.partition === partition))
    const same = { ...found, positions }
    const wrong = (Object.keys(content) as (keyof Content)[]).filter((name) => !isDeepStrictEqual(same[name], content[name]))
    if (wrong.length > 0) this.#fault('content-differs', content.batchId, `the snapshot of checkpoint ${ref.checkpoint} says other ${wrong.join(', ')} than batch ${content.batchId}`)
  }

  #fault(kind: FaultKind, batchId: number, message: string): void {
    this.#findings.add(kind, message, { stage: this.#task.stage, partition: this.#task.partition, batchId })
  }
}
