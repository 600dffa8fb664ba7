// What a submission tells the person behind it: of topics, of output that comes again, of checkpoints that are there.
import { beforeEach, expect, test } from '@jest/globals'
import type { Log } from '@tidemark/base'
import { instead } from '@tidemark/testkit'
import type { JobState } from '@tidemark/wire'
import { bundle, JOB, lead, memoryPorts, planOf, storeCheckpoint } from './cluster.sample.ts'
import type { TestPorts } from './cluster.sample.ts'
import { updateDefinition, writeDefinition } from './definition.ts'
import { newestRun } from './start-run.ts'
import { submit } from './submit.ts'

let ports: TestPorts
const leader = lead(5)
beforeEach(async () => {
  ports = await memoryPorts()
})
/** `state`: in which the leader leads the newest run; undefined: it knows of none. */
const send = async (over: { readonly output?: string, readonly from?: number } = {}, state: JobState | undefined = undefined) => {
  const run = await newestRun(ports, JOB)
  return submit(ports, leader, { plan: planOf(over), bundle: bundle(), ...(over.from === undefined ? {} : { fromCheckpoint: over.from }) }, () => state === undefined ? undefined : { run, state })
}
const store = (run: number, checkpoint: number): Promise<void> => storeCheckpoint(ports, run, checkpoint)

test.each([
  ['kept', ['results are deleted by their event time, old ones soon after they are written: kept are 168.0 h of kept (retention.ms, -1: for ever)']],
  ['out', []],
])('an output topic, %s, that keeps its records for a time → said once, with how long; of one that keeps them for ever nothing is', async (output, notes) => {
  await ports.log.createTopics([{ topic: 'kept', partitions: 1, config: { 'retention.ms': '604800000' } }])
  expect((await send({ output })).answer.notes.filter((note) => note.includes('event time'))).toEqual(notes)
})

test('an output topic whose settings may not be read → said, with its name, and nothing of how long it keeps its records', async () => {
  const hides: Partial<Log> = { describeTopics: async (names) => new Map([...await ports.log.describeTopics(names)].map(([topic, about]) => [topic, topic === 'out' ? { ...about, retentionMs: 604_800_000, settingsHidden: true } : about])) }
  const { answer } = await submit({ ...ports, log: instead<Log>(ports.log, hides) }, leader, { plan: planOf(), bundle: bundle() }, () => undefined)
  expect(answer.notes.filter((note) => note.includes('event time') || note.includes('settings'))).toEqual(["the settings of out can't be read (Kafka's right DescribeConfigs is lacking): whether records are deleted there after a time, or compacted, is not known"])
})

test('a cancelled job again, empty, while it has checkpoints → said, with how to go on from the newest; without any, or from one → not', async () => {
  const said = (answer: { readonly notes: readonly string[] }) => answer.notes.filter((note) => note.includes('comes again'))
  expect(said((await send()).answer)).toEqual([])
  expect(said((await send({}, 'cancelled')).answer)).toEqual([])
  await store(2, 3)
  await store(2, 4)
  expect(said((await send({}, 'cancelled')).answer)).toEqual([expect.stringMatching(/from the start.*`tidemark submit <job file> --from 4`$/)])
  expect(said((await send({ from: 4 }, 'cancelled')).answer)).toEqual([])
})

test('from a checkpoint of a run that went on behind it → what it put out since is not called back; from the one that it was drained with → there is none, and nothing is said', async () => {
  const said = async (from: number) => (await send({ from }, 'cancelled')).answer.notes.filter((note) => note.includes('called back'))
  await send()
  await store(1, 3)
  await store(1, 4)
  await updateDefinition(ports.store, leader, JOB, 1, { state: 'cancelled', finalCheckpoint: 4 })
  expect(await said(4)).toEqual([])
  await writeDefinition(ports.store, { formatVersion: 1, job: JOB, run: 1, desired: 'cancelled', state: 'cancelled', finalCheckpoint: 4, submittedAt: 0, epoch: 5 })
  expect(await said(3)).toEqual([expect.stringMatching(/^output after it is not called back: out\/0 from \d+/)])
})

test('topics with fewer than three replicas → named, by how many disks it takes; in a log that has none nothing is said, nor how to read it', async () => {
  const of = (replicas: Readonly<Record<string, number | undefined>>): Partial<Log> => ({ describeTopics: async (names) => new Map([...await ports.log.describeTopics(names)].map(([topic, { replicationFactor: _its, ...about }]) => {
    const replicationFactor = topic in replicas ? replicas[topic] : 3
    return [topic, { ...about, ...replicationFactor === undefined ? {} : { replicationFactor } }]
  })) })
  const said = async (log: Partial<Log>) => (await submit({ ...ports, log: instead<Log>(ports.log, log) }, leader, { plan: planOf(), bundle: bundle() }, () => undefined)).answer.notes.filter((note) => note.includes('replica') || note.includes('isolation.level'))
  expect(await said(of({ in: 1, out: 2 }))).toEqual(['in: 1 replica each; what they hold is lost with the disk of one broker', 'out: 2 replicas each; what they hold is lost with the disks of 2 brokers', 'readers of its output topics must set isolation.level=read_committed'])
  await updateDefinition(ports.store, leader, JOB, 1, { state: 'cancelled' })
  expect(await said({ ...of({ in: undefined, out: undefined }), hasOpenTransactions: false })).toEqual([])
})
