// Makes a run ready: earlier runs are ended first (C3), then its topics are made, then the earlier runs' topics go.
import type { JobId } from '@tidemark/base'
import { parseManifest, parseRun, paths } from '@tidemark/checkpoint'
import type { Generation, RunRecord } from '@tidemark/checkpoint'
import { getIfThere, stillWanted, updateDefinition } from './definition.ts'
import { endRun } from './end-run.ts'
import { withOutput } from './output-behind.ts'
import type { DriverPorts, Leadership } from './ports.ts'
import { checkTopics, findTopics, topicsOfRun } from './run-topics.ts'
import type { FoundTopic } from './run-topics.ts'
import { stillLeads } from './still-leads.ts'
import { untilAnswered } from './until-answered.ts'

export const readRun = async ({ store }: Pick<DriverPorts, 'store'>, job: JobId, run: number): Promise<RunRecord> => {
  const key = paths.run(job, run)
  return parseRun(await store.get(key), key)
}

/** Of all records, accepted or not: the next one has a higher number. 0: there was none under this name. */
export const newestRun = async ({ store }: Pick<DriverPorts, 'store'>, job: JobId): Promise<number> =>
  Math.max(0, ...(await store.list(paths.runPrefix(job))).flatMap(({ key }) => paths.parseRun(key)?.number ?? []))

/** Ends each of these runs that still has topics; shared by restore and cancel. */
const endRuns = async (ports: DriverPorts, leadership: Leadership, job: JobId, topics: readonly FoundTopic[], generation: Generation): Promise<void> => {
  for (const run of new Set(topics.map((topic) => topic.run).toSorted((a, b) => a - b))) await endRun(ports, leadership, await readRun(ports, job, run), generation)
}

/** Output that went out after the checkpoint: too much rather than too little, for other writers of that topic are in it too. */
const notCalledBack = async ({ log, store }: DriverPorts, record: RunRecord, started: boolean): Promise<string[]> => {
  if (record.from === null) return []
  const { manifest: key, checkpoint } = record.from
  const body = started ? await getIfThere(store, key) : await store.get(key)
  // It has gone on from checkpoints of its own since, and only topics of the runs before were left to delete.
  if (body === undefined) return []
  const { outputs } = parseManifest(body, key)
  const notes: string[] = []
  for (const [topic, partitions] of Map.groupBy(outputs, (output) => output.topic)) {
    const nexts = new Map(partitions.map((output) => [output.partition, output.next]))
    const behind = (await log.offsets(topic, [...nexts.keys()])).map(({ partition, start, end }) => ({ partition, next: Math.max(start, nexts.get(partition) ?? end), end }))
    notes.push(...(await withOutput(log, topic, behind)).map(({ partition, next, end }) => `output of ${topic}/${partition} in [${next}, ${end}) was written after checkpoint ${checkpoint} and is not called back`))
  }
  return notes
}

export interface ReadyRun {
  /** For people. */
  readonly notes: readonly string[]
  /** To be called once the run has been allowed to start. */
  cleanUp(): Promise<void>
}

export const startRun = async (ports: DriverPorts, leadership: Leadership, job: JobId, run: number, generation: Generation, started: boolean): Promise<ReadyRun> => {
  const { log, store, logger } = ports
  const record = await readRun(ports, job, run)
  const earlier = leadership.rules.C3 ? await findTopics(log, job, run - 1) : []
  if (started) await checkTopics(log, record)
  await stillWanted(store, leadership, job, run)
  await endRuns(ports, leadership, job, earlier, generation)
  const notes = earlier.length > 0 ? await notCalledBack(ports, record, started) : []
  if (!started) {
    await log.createTopics(topicsOfRun(record))
    await updateDefinition(store, leadership, job, run, { state: 'started' })
  }
  return {
    notes,
    cleanUp: async () => {
      if (earlier.length === 0) return
      await untilAnswered(ports, { job, run }, () => stillWanted(store, leadership, job, run))
      await log.deleteTopics(earlier.map(({ topic }) => topic))
      logger.info({ job, run, topics: earlier.length }, 'run.earlier-topics-deleted')
    },
  }
}

/** The run is over: `ended` records, then its topics go. Checkpoints stay; the name is free. */
export const cancelRun = async (ports: DriverPorts, leadership: Leadership, job: JobId, run: number, generation: Generation, finalCheckpoint?: number): Promise<void> => {
  // Before any topic goes: a driver that comes after this one must not go on with a drain that is over, without them. What one that was replaced writes is read by nobody.
  if (finalCheckpoint !== undefined) {
    await updateDefinition(ports.store, leadership, job, run, { drain: false, finalCheckpoint })
    await stillLeads(ports, leadership)
  }
  const topics = await findTopics(ports.log, job, run)
  await stillWanted(ports.store, leadership, job, run)
  await endRuns(ports, leadership, job, topics, generation)
  await stillWanted(ports.store, leadership, job, run)
  await ports.log.deleteTopics(topics.map(({ topic }) => topic))
  await updateDefinition(ports.store, leadership, job, run, { desired: 'cancelled', state: 'cancelled' })
}
