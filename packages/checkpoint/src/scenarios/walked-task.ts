// A task reduced to its keys, with a journal and a snapshot walk beside processing: the model of S1, S2, S9 over this room's formats.
import { hash } from 'node:crypto'
import { emptyChain, foldCommit } from '../ownership/chain.ts'
import type { CommitRecord, SnapshotRef } from '../records/records.ts'
import type { Rules } from '../rules.ts'
import { commit, stamp, task } from '../samples/records.ts'
import { decodeSnapshot, encodeSnapshot } from '../snapshot/format.ts'
import { snapshotsToName } from '../snapshot/plan.ts'
import { planTakeover } from '../takeover.ts'

type State = Readonly<Record<string, number>>
const by = stamp('A', 1)
const pack = (entries: State): Buffer => Buffer.from(JSON.stringify(entries))
const unpack = (block: Buffer): State => JSON.parse(block.toString()) as State

export class WalkedTask {
  readonly #rules: Rules
  readonly journal: CommitRecord[] = []
  #memory: State = {}
  #before: State | undefined
  #inFlight: State | undefined
  #walk: { readonly left: string[], readonly blocks: Buffer[], readonly changed: Set<string> } | undefined
  #stored: { readonly ref: SnapshotRef, readonly body: Buffer } | undefined
  #unnamed: SnapshotRef | undefined

  constructor(rules: Rules) {
    this.#rules = rules
  }

  get committed(): State {
    return Object.assign({}, ...this.journal.map((record) => unpack(record.content.state)))
  }

  /** State changes at once; the batch is real when `commit` says so. */
  process(changes: State): void {
    this.#before = this.#memory
    this.#memory = { ...this.#memory, ...changes }
    this.#inFlight = changes
  }

  commit(): void {
    const changes = this.#inFlight ?? {}
    for (const name of Object.keys(changes)) this.#walk?.changed.add(name)
    const snapshots = this.journal.at(-1)?.snapshots ?? []
    this.journal.push(commit(by, this.journal.length + 1, this.#unnamed === undefined ? snapshots : snapshotsToName(snapshots, this.#unnamed), pack(changes)))
    this.#unnamed = undefined
    this.#inFlight = undefined
  }

  /** The transaction failed: the batch is undone; S2: the walk and an unnamed upload go with it. */
  abort(): void {
    this.#memory = this.#before ?? {}
    this.#inFlight = undefined
    if (!this.#rules.S2) return
    this.#walk = undefined
    this.#unnamed = undefined
  }

  startWalk(): void {
    this.#walk = { left: Object.keys(this.#memory).toSorted(), blocks: [], changed: new Set() }
  }

  /** One key a slice. */
  slice(): void {
    const name = this.#walk?.left.shift()
    if (name !== undefined) this.#walk?.blocks.push(pack({ [name]: this.#memory[name] ?? 0 }))
  }

  /** S9: not while a batch is in flight. S1: one last block of what changed meanwhile. False: not now. */
  finish(checkpoint: number): boolean {
    const walk = this.#walk
    if (walk === undefined || (this.#rules.S9 && this.#inFlight !== undefined)) return false
    const changed = new Set([...walk.changed, ...Object.keys(this.#inFlight ?? {})])
    const blocks = this.#rules.S1 ? [...walk.blocks, pack(Object.fromEntries([...changed].map((name) => [name, this.#memory[name] ?? 0])))] : walk.blocks
    const batchId = this.journal.length
    const [object] = encodeSnapshot({ ...by, task, checkpoint, batchId, keys: Object.keys(this.#memory).length }, blocks)
    if (object === undefined) return false
    const ref: SnapshotRef = { ...by, checkpoint, batchId, journalNext: batchId, positions: [], keys: 0, objects: [{ key: `${checkpoint}`, sizeBytes: object.body.length, sha256: hash('sha256', object.body, 'hex') }] }
    this.#stored = { ref, body: object.body }
    this.#unnamed = ref
    this.#walk = undefined
    return true
  }

  /** What the snapshot says, and the batch at which it claims to be exact. Undefined: none was finished. */
  snapshotState(): { readonly state: State, readonly batchId: number } | undefined {
    if (this.#stored === undefined) return undefined
    const { ref, body } = this.#stored
    return { state: Object.assign({}, ...decodeSnapshot([body], ref.objects).blocks.map(unpack)), batchId: ref.batchId }
  }

  stateAfter(batchId: number): State {
    return Object.assign({}, ...this.journal.slice(0, batchId).map((record) => unpack(record.content.state)))
  }

  /** What the next owner rebuilds: the snapshot that the newest commit record names, then the journal's tail. */
  rebuilt(): State {
    const plan = planTakeover(this.journal.at(-1), null, 0)
    if (plan.kind !== 'try') throw new RangeError(plan.because)
    const loaded = plan.start.kind === 'snapshot' ? this.snapshotState()?.state ?? {} : {}
    const tail = this.journal.slice(plan.start.tailBegin)
    tail.reduce(foldCommit, { ...emptyChain(), batchId: plan.start.tailBegin })
    return Object.assign({}, loaded, ...tail.map((record) => unpack(record.content.state)))
  }
}
