// A small run, all of it in memory and in balance, for the tests of the audit: two tasks read `orders`, send everything through a shuffle to two
// tasks that keep state and write `totals`. Tests corrupt it.
import { hash } from 'node:crypto'
import { stageId } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import { Packr } from 'msgpackr'
import { auditEmitted, ShufflePartitionAudit } from '../audit/shuffle.ts'
import type { StageOutputs } from '../audit/shuffle.ts'
import { Findings } from '../audit/findings.ts'
import { JournalAudit } from '../audit/journal.ts'
import { auditPositions } from '../audit/positions.ts'
import { RangesAudit } from '../audit/ranges.ts'
import { StateRebuild } from '../audit/rebuild.ts'
import type { RebuiltState } from '../audit/rebuild.ts'
import { openSnapshot, StateAudit } from '../audit/snapshots.ts'
import { StateReplay } from '../audit/state.ts'
import { auditTotals } from '../audit/totals.ts'
import { addBooks, emptyBooks } from '../books.ts'
import type { Block } from '../records/blocks.ts'
import type { BatchContent, Books, CommitRecord, JournalRecord, SnapshotRef, SourcePosition } from '../records/records.ts'
import { assignedPartitions } from '../run.ts'
import { encodeSnapshot } from '../snapshot/format.ts'
import { claim, stamp } from './records.ts'
import { runRecord } from './run.ts'

const packr = new Packr({ useRecords: false })
export const BATCHES = 5
/** Records of one task's batch, half of them for each reader. */
export const RECORDS = 10
const [SHUFFLE] = runRecord.shuffles
if (SHUFFLE === undefined) throw new TypeError('the sample run has no shuffle')
const run = { ...runRecord, run: 2, from: null, stages: runRecord.stages.map((stage, i) => i === 0 ? { ...stage, inputs: stage.inputs.map((input) => ({ ...input, partitions: 2 })) } : stage) }
const OUTPUTS: readonly StageOutputs[] = [
  { stage: stageId(0), topics: [], outboxSinks: [], shuffles: [SHUFFLE.shuffle] }, { stage: stageId(1), topics: ['totals'], outboxSinks: [], shuffles: [] },
]

type Mutable<T> = T extends string | number | boolean | Buffer | undefined ? T : T extends readonly (infer E)[] ? Mutable<E>[] : { -readonly [K in keyof T]: Mutable<T[K]> }

interface Placed {
  record: Mutable<JournalRecord>
  offset: number
}

export interface AuditedWorld {
  /** By `stage-partition`; each record takes one offset. */
  readonly journals: Record<string, { start: number, records: Placed[] }>
  /** Checksum of each record of a partition of `orders`; undefined: there is none at that offset. */
  readonly orders: (number | undefined)[][]
  readonly shuffle: { head: Mutable<Pick<Block, 'stage' | 'partition' | 'batchId' | 'generation' | 'index' | 'count'>>, records: number }[][]
  totals: number
  deadLetters: number
  /** Objects by key. */
  readonly objects: Map<string, Buffer>
  ends: Record<string, { start: number, end: number }>
}

const images = (batchId: number): Buffer => packr.pack([1, ['sums', [], [[0, [], [`k${batchId}`, 'all'], [[batchId, batchId], [0.5, 1]]]]], ['times', [], [[0, [], ['a'], [[2], [batchId, batchId + 1]]]]]])
/** Tests change it in place: nothing in it is shared. */
const copyOf = <T>(value: T): Mutable<T> => packr.unpack(packr.pack(value)) as Mutable<T>

const commitOf = (task: TaskRef, batchId: number, positions: SourcePosition[], books: Books, before: Books, upstreams: BatchContent['upstreams'], snapshots: SnapshotRef[]): CommitRecord => ({
  kind: 'commit', task, timestamp: 0, ...stamp(`${task.stage}-${task.partition}`, 1), engineVersion: '0', jobVersion: '1', snapshots,
  content: { batchId, positions, upstreams, idle: false, state: task.stage === 's1' ? images(batchId) : packr.pack([1]), books, totals: addBooks(before, books), outbox: { entries: 0, bytes: 0 }, watermark: batchId },
})

/** Snapshots are exact after batches 2 and 4, both named by batch 5. */
export const auditedWorld = (): AuditedWorld => {
  const world: AuditedWorld = { journals: {}, orders: [0, 1].map((p) => Array.from({ length: BATCHES * RECORDS }, (_, i) => 1_000 * p + i)), shuffle: [[], []], totals: 2 * BATCHES * RECORDS, deadLetters: 0, objects: new Map(), ends: {} }
  for (const [s, partition] of [[0, 0], [0, 1], [1, 0], [1, 1]] as const) {
    const task: TaskRef = { job: run.job, run: run.run, stage: stageId(s), partition }
    const records: Placed[] = [{ record: { ...claim(stamp(`s${s}-${partition}`, 1)), task }, offset: 0 }]
    let totals = emptyBooks
    const refs: SnapshotRef[] = []
    for (let batchId = 1; batchId <= BATCHES; batchId += 1) {
      const books: Books = s === 0 ? { ...emptyBooks, offsets: RECORDS, records: RECORDS, passedOn: RECORDS, emitted: RECORDS } : { ...emptyBooks, offsets: 2, blocks: 2, records: RECORDS, shuffleRecords: RECORDS, folded: RECORDS, emitted: RECORDS }
      const positions: SourcePosition[] = s === 0
        ? [{ input: 'source:orders', topic: 'orders', partition, next: batchId * RECORDS, last: { offset: batchId * RECORDS - 1, checksum: 1_000 * partition + batchId * RECORDS - 1 } }]
        : [{ input: SHUFFLE.shuffle, topic: SHUFFLE.topic, partition, next: batchId * 2 }]
      const record = commitOf(task, batchId, positions, books, totals, s === 0 ? [] : [0, 1].map((of) => ({ input: SHUFFLE.shuffle, partition: of, idle: false, batchId, watermark: batchId })), batchId === BATCHES ? refs.toReversed() : [])
      totals = record.content.totals
      records.push({ record: copyOf(record), offset: records.length })
      if (s === 1 && (batchId === 2 || batchId === 4)) refs.push(snapshotOf(world, task, record, records.length, batchId))
    }
    world.journals[`s${s}-${partition}`] = { start: 0, records }
  }
  for (let batchId = 1; batchId <= BATCHES; batchId += 1) {
    for (const writer of [0, 1]) for (const blocks of world.shuffle) blocks.push({ head: { stage: 's0', partition: writer, batchId, generation: { epoch: 1, counter: 1 }, index: 0, count: 1 }, records: RECORDS / 2 })
  }
  for (const p of [0, 1]) {
    world.ends[`orders/${p}`] = { start: 0, end: BATCHES * RECORDS }
    world.ends[`${SHUFFLE.topic}/${p}`] = { start: 0, end: BATCHES * 2 }
  }
  return world
}

const snapshotOf = (world: AuditedWorld, task: TaskRef, { content: { state: _state, ...content } }: CommitRecord, journalNext: number, batchId: number): SnapshotRef => {
  const by = stamp(`${task.stage}-${task.partition}`, 1)
  const keys = batchId + 2
  const [object] = encodeSnapshot({ ...by, task, checkpoint: batchId, batchId, keys }, [...Array.from({ length: batchId }, (_, i) => images(i + 1)), packr.pack(content)])
  if (object === undefined) throw new TypeError('a snapshot without an object')
  const key = `${task.stage}-${task.partition}/${batchId}`
  world.objects.set(key, object.body)
  return { ...by, checkpoint: batchId, batchId, journalNext, positions: content.positions, keys, objects: [{ key, sizeBytes: object.body.length, sha256: hash('sha256', object.body, 'hex') }] }
}

/** Replaces the bytes of a snapshot's object, and what its reference says of them: as if it had been written so. */
export const rewrite = (world: AuditedWorld, name: string, batchId: number, change: (blocks: Buffer[]) => Buffer[], keys = batchId + 2): void => {
  const { record } = world.journals[name]?.records.at(-1) ?? {}
  const ref = record?.kind === 'commit' ? record.snapshots.find((one) => one.batchId === batchId) : undefined
  const at = commitAt(world, name, batchId)
  const { state: _state, ...content } = at.content
  const [object] = encodeSnapshot({ ...stamp(name, 1), task: at.task, checkpoint: batchId, batchId, keys: ref?.keys ?? 0 }, change([...Array.from({ length: batchId }, (_, i) => images(i + 1)), packr.pack(content)]))
  if (ref?.objects[0] === undefined || object === undefined) throw new TypeError('no such snapshot')
  ref.keys = keys
  Object.assign(ref.objects[0], { sizeBytes: object.body.length, sha256: hash('sha256', object.body, 'hex') })
  world.objects.set(ref.objects[0].key, object.body)
}

export const commitAt = (world: AuditedWorld, name: string, batchId: number): Mutable<CommitRecord> => {
  const found = world.journals[name]?.records.find(({ record }) => record.kind === 'commit' && record.content.batchId === batchId)?.record
  if (found?.kind !== 'commit') throw new TypeError(`no batch ${batchId} in ${name}`)
  return found
}

/** Everything that is checked, as `tidemark audit` does it. */
export const auditWorld = (world: AuditedWorld): Findings => {
  const findings = new Findings()
  const journals = run.stages.flatMap((stage) => Array.from({ length: stage.partitions }, (_, partition) => auditOne(world, { job: run.job, run: run.run, stage: stage.stage, partition }, findings)))
  const byStage = (stage: string): JournalAudit[] => journals.filter(({ facts }) => facts.task.stage === stage)
  const ranges = new RangesAudit(journals, findings)
  const shuffles = world.shuffle.map((blocks, partition) => {
    const reader = byStage('s1')[partition]
    const own = ranges.partitions.find(({ input }) => input.kind === 'shuffle' && input.partition === partition)
    if (reader === undefined || own === undefined) throw new TypeError('the sample has no such reader')
    const audit = new ShufflePartitionAudit(SHUFFLE, partition, reader, byStage('s0'), findings)
    audit.begin(0)
    own.begin(0)
    for (const [offset, { head, records }] of blocks.entries()) {
      audit.take(head, records, offset)
      own.take(offset, () => 0, records)
    }
    audit.finish()
    return audit
  })
  for (const outputs of OUTPUTS) auditEmitted(outputs, byStage(outputs.stage), shuffles, findings)
  for (const one of ranges.partitions.filter(({ input }) => input.kind === 'topic')) {
    one.begin(0)
    for (const [offset, checksum] of (world.orders[one.input.partition] ?? []).entries()) if (checksum !== undefined) one.take(offset, () => checksum)
  }
  ranges.finish()
  auditTotals({ run, stages: OUTPUTS, journals, shuffles, topics: [{ topic: 'totals', records: world.totals }], deadLetters: { topic: 'letters', records: world.deadLetters } }, findings)
  for (const journal of journals) {
    auditPositions(journal, (topic, partition) => {
      const found = world.ends[`${topic}/${partition}`]
      return found === undefined ? undefined : { partition, stable: found.end, ...found }
    }, findings)
  }
  return findings
}

const auditOne = (world: AuditedWorld, task: TaskRef, findings: Findings): JournalAudit => {
  const { start, records } = world.journals[`${task.stage}-${task.partition}`] ?? { start: 0, records: [] }
  const stage = run.stages.find((one) => one.stage === task.stage)
  if (stage === undefined) throw new TypeError(`no stage ${task.stage}`)
  const inputs = assignedPartitions(stage, task.partition)
  const base = { batchId: 0, totals: emptyBooks, positions: inputs.map(({ input, topic, partition }) => ({ input, topic, partition, next: 0 })) }
  const journal = new JournalAudit({ task, inputs, tasks: stage.partitions, start, ...(start === 0 ? { base } : {}) }, findings)
  const last = records.findLast(({ record }) => record.kind === 'commit')?.record
  const snapshots = (last?.kind === 'commit' ? last.snapshots : []).flatMap((ref) => openSnapshot(task, ref, ref.objects.map(({ key }) => world.objects.get(key)), findings) ?? [])
  const state = start === 0 ? new StateAudit(task, new StateReplay(), 0, snapshots, findings) : undefined
  for (const { record, offset } of records) {
    if (offset < start) continue
    journal.take(record, offset, offset + 1)
    if (record.kind === 'commit') state?.take(record)
  }
  journal.finish()
  return journal
}

/** The state of one task in every way there is, as `tidemark audit --state` does it. */
export const rebuildWorld = (world: AuditedWorld, name: string): { readonly state: RebuiltState | undefined, readonly findings: Findings } => {
  const findings = new Findings()
  const { start, records } = world.journals[name] ?? { start: 0, records: [] }
  const last = records.findLast(({ record }) => record.kind === 'commit')?.record
  if (last?.kind !== 'commit') throw new TypeError(`no batch in ${name}`)
  const snapshots = last.snapshots.flatMap((ref) => openSnapshot(last.task, ref, ref.objects.map(({ key }) => world.objects.get(key)), findings) ?? [])
  const reachable = snapshots.filter(({ ref }) => ref.journalNext >= start)
  const rebuild = new StateRebuild({ task: last.task, snapshots: reachable, outOfReach: snapshots.length - reachable.length, ...start === 0 ? { origin: new StateReplay() } : {} }, findings)
  for (const { record, offset } of records) if (offset >= start && record.kind === 'commit') rebuild.take(record)
  return { state: rebuild.finish(), findings }
}
