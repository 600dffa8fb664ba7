// Reads one task's journal up to the cut, with the snapshots that its newest commit record names: into the audits of journal and state.
import { TidemarkError } from '@tidemark/base'
import type { ObjectStore, TaskRef } from '@tidemark/base'
import { assignedPartitions, emptyBooks, JournalAudit, openSnapshot, paths, RecordAssembler, StateAudit, StateRebuild, StateReplay } from '@tidemark/checkpoint'
import type { CommitRecord, Findings, JournalBase, Manifest, ReadSnapshot, RebuiltState, RunRecord, RunStage, SnapshotRef } from '@tidemark/checkpoint'
import { originOf } from './origin.ts'
import type { Origin } from './origin.ts'
import { isTrimmed, readPartition } from './partition.ts'
import type { AuditPorts } from './partition.ts'
import { getObject } from './run.ts'

/** Offsets looked at first for the newest commit record; doubled until one is found. */
const SCAN_BACK_FIRST = 64

export interface JournalCut {
  /** Where the journal began before anything else was looked at. */
  readonly start: number
  /** Everything below was decided before the ends of the outputs were looked at. */
  readonly before: number
  /** Read to here. */
  readonly end: number
}

export interface JournalOptions {
  readonly run: RunRecord
  readonly stage: RunStage
  readonly task: TaskRef
  readonly cut: JournalCut
  readonly store: ObjectStore
  readonly origin: Manifest | undefined
  /** Rather begin anew than leave out what was trimmed since the cut. */
  readonly strict: boolean
  /** Oldest offset of a source; undefined: not known. */
  readonly sourceStart: (topic: string, partition: number) => number | undefined
  /** Checkpoints of this run, to rebuild the state from as well; undefined: it is not to be rebuilt. */
  readonly retained: readonly Manifest[] | undefined
}

export interface ReadJournal {
  readonly journal: JournalAudit
  readonly state: RebuiltState | undefined
}

/** All of what was to be read is gone: the audit has to begin anew. */
const overtaken = (topic: string): TidemarkError =>
  new TidemarkError(`${topic} was trimmed past the cut while it was audited`, { code: 'AUDIT_OVERTAKEN', blame: 'environment', action: 'retry', topic, hint: 'Checkpoints of this job come faster than it can be audited. Audit it again, or when it is quiet.' })

/** Findings of an attempt that has to be made again are thrown away: `attempt` makes them anew. */
export const auditJournal = async (ports: AuditPorts, options: JournalOptions, attempt: () => Findings, keep: (findings: Findings) => void): Promise<ReadJournal> => {
  const topic = paths.journalTopic(options.run.job, options.run.run, options.stage.stage)
  for (;;) {
    const [offsets] = await ports.log.offsets(topic, [options.task.partition])
    const start = offsets?.start ?? 0
    if (start > options.cut.end) throw overtaken(topic)
    const findings = attempt()
    try {
      const audit = await readOnce(ports, options, topic, start, findings)
      keep(findings)
      return audit
    } catch (error) {
      if (!isTrimmed(error)) throw error
    }
  }
}

const readOnce = async (ports: AuditPorts, options: JournalOptions, topic: string, start: number, findings: Findings): Promise<ReadJournal> => {
  const { store, task, cut, stage } = options
  const newest = await newestCommit(ports, topic, task, start, cut.end)
  const snapshots: ReadSnapshot[] = []
  for (const ref of refsOf(newest)) {
    const snapshot = openSnapshot(task, ref, await Promise.all(ref.objects.map(({ key }) => getObject(store, key))), findings)
    if (snapshot !== undefined) snapshots.push(snapshot)
  }
  const origin = options.origin !== undefined && (start === 0 || newest?.content.positions.some(({ inFlight }) => inFlight !== undefined) === true) ? await originOf(store, options.origin, stage, task, findings) : undefined
  const base = baseOf(options, start, origin, snapshots)
  const journal = new JournalAudit({ task, inputs: assignedPartitions(stage, task.partition), tasks: stage.partitions, start, startBefore: cut.start, before: cut.before, ...(base === undefined ? {} : { base }), ...(origin === undefined ? {} : { inFlight: origin.inFlight }) }, findings)
  // First: the audit of the state goes on in what it is given.
  const rebuild = await rebuildOf(options, start, origin, snapshots, findings)
  const state = stateOf(options, start, origin, snapshots, findings)
  const assembler = new RecordAssembler({ midway: start > 0 })
  await readPartition(ports, topic, task.partition, start, cut.end, ({ offset, value }) => {
    try {
      const whole = value === null ? undefined : assembler.push(value, offset)
      if (value === null) findings.add('journal-damaged', `the record at ${offset} has no value`, { stage: task.stage, partition: task.partition, offset })
      if (whole === undefined) return
      journal.take(whole.record, whole.offset, whole.next)
      if (whole.record.kind !== 'commit') return
      state?.take(whole.record)
      rebuild?.take(whole.record)
    } catch (error) {
      findings.add('journal-damaged', error instanceof Error ? error.message : String(error), { stage: task.stage, partition: task.partition, offset })
    }
  })
  journal.finish()
  return { journal, state: rebuild?.finish() }
}

/** Newest first; of batch 0 there is nothing to compare. */
const refsOf = (newest: CommitRecord | undefined): readonly SnapshotRef[] => (newest?.snapshots ?? []).filter(({ batchId }) => batchId > 0)

const newestCommit = async (ports: AuditPorts, topic: string, task: TaskRef, start: number, end: number): Promise<CommitRecord | undefined> => {
  for (let back = SCAN_BACK_FIRST; ; back *= 2) {
    const from = Math.max(start, end - back)
    const assembler = new RecordAssembler({ midway: true })
    let newest: CommitRecord | undefined
    await readPartition(ports, topic, task.partition, from, end, ({ offset, value }) => {
      try {
        const whole = value === null ? undefined : assembler.push(value, offset)
        if (whole?.record.kind === 'commit') newest = whole.record
      } catch {
        // What is damaged is told when the journal is read as a whole.
      }
    })
    if (newest !== undefined || from === start) return newest
  }
}

const baseOf = ({ run, task, stage, sourceStart }: JournalOptions, start: number, origin: Origin | undefined, snapshots: readonly ReadSnapshot[]): JournalBase | undefined => {
  if (start === 0 && run.from !== null) return origin?.base
  if (start === 0) {
    const inputs = assignedPartitions(stage, task.partition)
    // A run without a commit begins at the oldest record that there is. What that was is known only while nothing was removed.
    const isKnown = inputs.every(({ kind, topic, partition }) => kind !== 'topic' || sourceStart(topic, partition) === 0)
    return { batchId: 0, totals: emptyBooks, ...(isKnown ? { positions: inputs.map(({ input, topic, partition }) => ({ input, topic, partition, next: 0 })) } : {}) }
  }
  const exact = snapshots.find(({ ref }) => ref.journalNext === start)
  return exact === undefined ? undefined : { batchId: exact.ref.batchId, positions: exact.content.positions, totals: exact.content.totals }
}

const stateOf = ({ run, task, cut, strict }: JournalOptions, start: number, origin: Origin | undefined, snapshots: readonly ReadSnapshot[], findings: Findings): StateAudit | undefined => {
  if (start === 0 && run.from === null) return new StateAudit(task, new StateReplay(), 0, snapshots, findings)
  if (start === 0 && origin !== undefined) return new StateAudit(task, origin.snapshot.state, 0, snapshots, findings)
  const oldest = snapshots.findLast(({ ref }) => ref.journalNext >= start)
  if (strict && start > cut.start && oldest !== snapshots.at(-1)) throw overtaken(paths.journalTopic(run.job, run.run, task.stage))
  if (oldest === undefined || oldest !== snapshots.at(-1)) findings.cannotTell(`the state of ${task.stage}-${task.partition}`, start > cut.start ? 'its journal was trimmed while it was audited' : 'no snapshot that could be read has its tail in the journal')
  return oldest === undefined ? undefined : new StateAudit(task, oldest.state, oldest.ref.batchId, snapshots, findings)
}

/** From what the run began with, from the snapshots that the journal names, and from those of every other checkpoint whose tail it has. */
const rebuildOf = async ({ run, task, store, retained }: JournalOptions, start: number, origin: Origin | undefined, named: readonly ReadSnapshot[], findings: Findings): Promise<StateRebuild | undefined> => {
  if (retained === undefined) return undefined
  const known = new Set(named.flatMap(({ ref }) => ref.objects.map(({ key }) => key)))
  const others = retained.flatMap((manifest) => manifest.parts.flatMap((part) => {
    const isOwn = part.stage === task.stage && part.partition === task.partition && part.ref.batchId > 0
    return isOwn && !part.ref.objects.some(({ key }) => known.has(key)) ? [{ manifest, ref: part.ref }] : []
  }))
  const snapshots = [...named]
  for (const { ref } of others.filter((one) => one.ref.journalNext >= start)) {
    const bodies = await Promise.all(ref.objects.map(({ key }) => getObject(store, key)))
    // What is missing is told where the objects of all checkpoints are looked for.
    const snapshot = bodies.includes(undefined) ? undefined : openSnapshot(task, ref, bodies, findings)
    if (snapshot !== undefined) snapshots.push(snapshot)
  }
  const begun = start > 0 ? undefined : run.from === null ? new StateReplay() : origin?.snapshot.state
  const reachable = snapshots.filter(({ ref }) => ref.journalNext >= start)
  const outOfReach = others.filter(({ ref }) => ref.journalNext < start).length + named.filter(({ ref }) => ref.journalNext < start).length
  return new StateRebuild({ task, snapshots: reachable, outOfReach, ...begun === undefined ? {} : { origin: begun } }, findings)
}
