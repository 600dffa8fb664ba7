// For tests of tasks: a job cut into stages, its tasks without a slot or a log, commits that always succeed.
import { crc32 } from 'node:zlib'
import { jobId, stageId, transactionalId } from '@tidemark/base'
import type { Append, Clock, LogRecord } from '@tidemark/base'
import type { CommitRecord, RunShuffle, RunStage } from '@tidemark/checkpoint'
import { cutStages, jobFunctions, stagePartitions } from 'tidemark'
import type { Job } from 'tidemark'
import { createTask } from './create-task.ts'
import type { BatchBudget, FrozenBatch, Task } from './task.ts'

/** Time that only moves when told. */
export const standingClock = (): Clock & { at: number } => {
  const clock = {
    at: 0,
    now: () => clock.at,
    monotonic: () => clock.at,
    after: () => ({ cancel: () => {} }),
    sleep: async () => {},
  }
  return clock
}

export const ROOMY: BatchBudget = { workMs: 1_000, outputBytesMax: 64 * 1024 * 1024, stateBytesMax: 64 * 1024 * 1024 }

export interface Fixture {
  readonly clock: Clock & { at: number }
  /** A new, empty task. */
  task(stage: number, partition?: number, run?: number): Task
}

export const fixtureOf = (built: Job, options: { readonly sourcePartitions?: number, readonly tasks?: number, readonly sinkPartitions?: number, readonly maxMessageBytes?: number } = {}): Fixture => {
  const plan = built.plan()
  const physical = cutStages(plan)
  const functions = jobFunctions(built)
  const sourcePartitions = options.sourcePartitions ?? 1
  const counts = stagePartitions(plan, physical, () => options.tasks ?? sourcePartitions)
  const shuffles = physical.stages.flatMap((stage) => stage.shuffles.map(({ shuffle, to }): RunShuffle => ({
    shuffle, from: stageId(Number(stage.id.slice(1))), to: stageId(Number(to.slice(1))), topic: `shuffle.${shuffle}`, partitions: counts.get(to) ?? 1,
  })))
  const stages = physical.stages.map((stage): RunStage => ({
    stage: stageId(Number(stage.id.slice(1))),
    partitions: counts.get(stage.id) ?? 1,
    inputs: stage.inputs.map((input) => {
      if (input.kind === 'shuffle') return { input: input.shuffle, kind: 'shuffle' as const, topic: `shuffle.${input.shuffle}`, partitions: counts.get(stage.id) ?? 1 }
      const node = plan.nodes.find((one) => one.id === input.node)
      if (node?.kind !== 'source') throw new TypeError('no source')
      return { input: input.node, kind: node.source.kind, topic: node.source.kind === 'topic' ? node.source.topic : node.name, partitions: sourcePartitions }
    }),
  }))
  const topics = new Map([...plan.nodes.flatMap((node) => node.kind === 'sink' && node.sink.kind === 'topic' ? [node.sink.topic] : []), plan.settings.deadLetterTopic]
    .map((topic) => [topic, { partitions: options.sinkPartitions ?? 1, ...(options.maxMessageBytes === undefined ? {} : { maxMessageBytes: options.maxMessageBytes }) }]))
  const clock = standingClock()
  return {
    clock,
    task: (stage, partition = 0, number = 1) => createTask({
      ref: { job: jobId(plan.job), run: number, stage: stageId(stage), partition }, plan, physical, functions, run: { stages, shuffles }, topics, clock,
      partitionFor: (key, partitions) => crc32(key) % partitions,
    }),
  }
}

export interface Sent {
  readonly key?: string | null
  /** JSON unless it is a Buffer or null. */
  readonly value: unknown
  readonly timestamp?: number
}

export const record = (offset: number, { key = null, value, timestamp = 0 }: Sent): LogRecord =>
  ({ offset, timestamp, key: key === null ? null : Buffer.from(key), value: value === null || Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value)) })

/** Offers records to an input right behind what it has; by default to the first one. */
export const feed = (task: Task, sent: readonly Sent[], at = 0): void => {
  const input = task.inputs()[at]
  if (input === undefined) throw new TypeError('no such input')
  const from = task.fetchFrom(input.input, input.topic, input.partition)
  task.offer(input.input, {
    topic: input.topic, partition: input.partition, fromOffset: from, records: sent.map((one, i) => record(from + i, one)), nextOffset: from + sent.length, startOffset: 0, stableOffset: from + sent.length,
  })
}

/** As it would stand in the journal. */
export const committedRecord = (task: Task, frozen: FrozenBatch): CommitRecord => ({
  kind: 'commit', task: task.ref, timestamp: 0, generation: { epoch: 1, counter: 1 }, owner: { executor: 'e' as never, slot: 0, slotId: 's' as never }, transactionalId: transactionalId('t'),
  engineVersion: '0', jobVersion: '1', content: frozen.content, snapshots: [],
})

export interface Committed {
  readonly records: readonly CommitRecord[]
  readonly appends: readonly Append[]
}

/** Works and commits until there is nothing more to do. */
export const drain = (task: Task, options: { readonly budget?: BatchBudget, readonly now?: number, readonly onFrozen?: (frozen: FrozenBatch) => void } = {}): Committed => {
  const [records, appends]: [CommitRecord[], Append[]] = [[], []]
  for (let turn = 0; turn < 100_000; turn += 1) {
    const { more } = task.work(options.budget ?? ROOMY, options.now ?? 0)
    if (task.dirty) {
      const frozen = task.freeze()
      options.onFrozen?.(frozen)
      records.push(committedRecord(task, frozen))
      appends.push(...frozen.appends)
      task.committed()
    }
    if (task.failure !== undefined || !more) return { records, appends }
  }
  throw new Error('the task never comes to rest')
}

/** The log was asked and has nothing more for an input. */
export const feedNothing = (task: Task, at = 0): void => feed(task, [], at)

/** Lets the wall clock go from `from` to `to` in many small steps; at each the log says that there is nothing more for these inputs (all). */
export const pass = (task: Task, from: number, to: number, quiet: readonly number[] = task.inputs().map((_, at) => at)): Committed => {
  const steps = Array.from({ length: 101 }, (_, i) => {
    for (const at of quiet) feedNothing(task, at)
    return drain(task, { now: from + (to - from) * i / 100 })
  })
  return { records: steps.flatMap((step) => step.records), appends: steps.flatMap((step) => step.appends) }
}

/** Values sent to a topic, decoded, in order. */
export const valuesIn = (appends: readonly Append[], topic: string): unknown[] =>
  appends.filter((append) => append.topic === topic).flatMap((append) => append.records.map((one) => JSON.parse(String(one.value)) as unknown))
