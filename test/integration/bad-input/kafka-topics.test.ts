// What people do to a running job's topics on Kafka: each is read on, or stops that job with the reason, and its neighbour never notices.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JobDescription } from '@tidemark/wire'
import { Cluster } from '../../cluster/cluster.ts'
import { Output } from '../../cluster/output.ts'
import { serversOf } from '../../cluster/servers.ts'
import { addPartitions, compactTopic, describeWith, kcat } from '../../services/index.ts'
import { START, Subject } from './subject.ts'

const SLOTS = 3

describeWith(['kafka', 'minio', 'redis', 'kcat'], 'topics on Kafka', (server) => {
  let cluster: Cluster
  let neighbour: Subject
  beforeAll(async () => {
    cluster = await Cluster.start({ servers: serversOf(server), executors: 1, slots: SLOTS, env: { TIDEMARK_SLOT_HEAP: '512' } })
    neighbour = await Subject.start(cluster, { copartitioned: true, partitions: 1 })
  }, 120_000)
  afterAll(async () => {
    await neighbour.gone()
    await cluster.stop()
  }, 60_000)

  test.each(['gzip', 'snappy', 'lz4', 'zstd'])('input compressed with %s → every record is counted', async (codec) => {
    const one = neighbour
    const events = one.events(2_000)
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-codec-'))
    try {
      writeFileSync(join(folder, 'events'), events.map((event) => `${event.user}|${JSON.stringify(event)}\n`).join(''))
      await kcat(['-P', '-b', server('kafka').brokers, '-t', one.job.input, '-p', '0', '-K', '|', '-z', codec, '-l', join(folder, 'events')])
      one.written.push(...events)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
    expect(await one.wrong()).toEqual([])
  }, 60_000)

  test('partitions added to it: they are read from their start by themselves, through a kill and a restore', async () => {
    const one = await Subject.start(cluster, { copartitioned: false, partitions: 2 })
    for (const partition of [0, 1]) await one.write(partition, one.events(50))
    expect(await one.wrong()).toEqual([])
    await addPartitions(server('kafka').brokers, one.job.input, 5)
    for (const partition of [2, 3, 4]) await one.write(partition, one.events(50))
    expect(await one.wrong()).toEqual([])
    const wide = (description: JobDescription): boolean => description.tasks.flatMap(({ inputs }) => inputs).filter(({ topic }) => topic === one.job.input).length === 5
    await cluster.until(one.job.name, wide, 'five partitions read')
    await cluster.executors.at(-1)?.kill()
    cluster.startExecutor()
    await cluster.allRunning(one.job.name)
    for (const partition of [0, 4]) await one.write(partition, one.events(50))
    expect(await one.wrong()).toEqual([])

    const before = (await cluster.jobs.describe(one.job.name)).checkpoints[0]?.checkpoint ?? 0
    const { checkpoints } = await cluster.until(one.job.name, (description) => (description.checkpoints[0]?.checkpoint ?? 0) >= before + 2, 'a checkpoint of all of it')
    const { run } = await cluster.submit(one.job.file, checkpoints[0]?.checkpoint)
    await cluster.until(one.job.name, (description) => description.summary.run === run && description.summary.tasksRunning === description.summary.tasks && wide(description), 'the restored run')
    await one.write(3, one.events(50))
    expect(await one.wrong()).toEqual([])
    await one.gone()
  }, 120_000)

  test('partitions added to the topic of a copartitioned job: it stops with TASK_SOURCE_REPARTITIONED and both numbers', async () => {
    const one = await Subject.start(cluster, { copartitioned: true, partitions: 2 })
    await addPartitions(server('kafka').brokers, one.job.input, 3)
    const error = await one.failed()
    expect(error).toMatchObject({ code: 'TASK_SOURCE_REPARTITIONED', blame: 'user', action: 'fail-job' })
    expect(error.message).toContain(`topic "${one.job.input}" has 3 partitions, the run began with 2`)
    await one.gone()
  }, 60_000)

  test('an output record larger than its topic allows → a dead letter with the limit; the others go out', async () => {
    const long = 'x'.repeat(5_000)
    const one = await Subject.start(cluster, { copartitioned: false, partitions: 1, between: `.map((event) => (event.amount === 99 ? { ...event, user: '${long}' } : event))` }, { 'max.message.bytes': '2000' })
    await one.write(0, one.events(20))
    await cluster.log.write([{ topic: one.job.input, partition: 0, records: [{ key: 'u1', value: JSON.stringify({ user: 'u1', amount: 99, ts: START }) }] }])
    await one.write(0, one.events(20))
    expect(await one.wrong()).toEqual([])
    const letters = new Output(cluster.log, one.job.deadLetters)
    await cluster.until(one.job.name, ({ tasks }) => tasks.some(({ totals }) => totals['deadLettered'] === 1), 'a dead letter in the books')
    expect(JSON.stringify(await letters.read())).toContain(long)
    await one.gone()
  }, 60_000)

  test('the topic of dead letters is made one that is compacted while the job runs → it takes no letter without a key: that job stops with LOG_RECORD_INVALID at the first one, and has not passed its record', async () => {
    const one = await Subject.start(cluster, { copartitioned: false, partitions: 1 })
    await one.write(0, one.events(20))
    await compactTopic(server('kafka').brokers, one.job.deadLetters)
    await cluster.log.write([{ topic: one.job.input, partition: 0, records: [{ key: 'u1', value: JSON.stringify({ user: 'u1', amount: 1 }) }] }])
    await cluster.until(one.job.name, ({ tasks }) => tasks.some(({ totals }) => totals['deadLettered'] === 1), 'a dead letter in the books')
    await cluster.log.write([{ topic: one.job.input, partition: 0, records: [{ key: null, value: JSON.stringify({ user: 'u1', amount: 1 }) }] }])
    const error = await one.failed()
    expect(error).toMatchObject({ code: 'LOG_RECORD_INVALID', action: 'fail-job' })
    expect(error.message).toContain(one.job.deadLetters)
    expect((await new Output(cluster.log, one.job.deadLetters).read())).toHaveLength(1)
    expect(await one.wrong()).toEqual([])
    await one.gone()
  }, 60_000)

  test('an output topic is deleted → that job stops with LOG_TOPIC_MISSING and its name', async () => {
    const one = await Subject.start(cluster, { copartitioned: true, partitions: 2 })
    await one.write(0, one.events(50))
    expect(await one.wrong()).toEqual([])
    await cluster.log.deleteTopics([one.job.running])
    await one.write(0, one.events(10))
    const error = await one.failed()
    expect(error).toMatchObject({ code: 'LOG_TOPIC_MISSING', action: 'fail-job' })
    expect(error.message).toContain(one.job.running)
    expect(await cluster.log.listTopics()).not.toContain(one.job.running)
    await one.gone()
  }, 60_000)

  test.each([
    ['shorter', 10, /^audit: position-beyond-end: s0-0 stands at 100 of .*, which ends at 10$/], ['longer', 300, /^audit: record-changed: .* holds another record at 99 than batch \d+ read there/],
  ] as const)('a topic made anew under the same name while the job runs, %s than the position → it stops, nothing of the new one is taken for the old', async (_how, events, audited) => {
    const one = await Subject.start(cluster, { copartitioned: true, partitions: 1 })
    await one.write(0, one.events(100))
    expect(await one.wrong()).toEqual([])
    await cluster.log.deleteTopics([one.job.input])
    await cluster.log.createTopics([{ topic: one.job.input, partitions: 1 }])
    await cluster.log.write([{ topic: one.job.input, partition: 0, records: one.events(events).map((event) => ({ key: event.user, value: JSON.stringify(event) })) }])
    expect((await one.failed()).code).toBe('LOG_TOPIC_REPLACED')
    // The answers are right; the audit says what was done to the topic.
    expect(await one.wrong()).toEqual([expect.stringMatching(audited)])
    await one.gone()
  }, 60_000)

  test('retention removed a committed position while the job was down: range and size named, the job stops, choices offered', async () => {
    const one = await Subject.start(cluster, { copartitioned: true, partitions: 1 })
    await one.write(0, one.events(100))
    expect(await one.wrong()).toEqual([])
    await cluster.executors.at(-1)?.kill()
    await cluster.log.write([{ topic: one.job.input, partition: 0, records: one.events(50).map((event) => ({ key: event.user, value: JSON.stringify(event) })) }])
    await cluster.log.trim(one.job.input, 0, 123)
    cluster.startExecutor()
    const error = await one.failed()
    expect(error.code).toBe('TASK_SOURCE_GONE')
    expect(error.message).toMatch(/holds offsets 123 to 150, .* is at 100: 23 records were removed by retention/)
    expect(error.hint).toMatch(/Nothing was skipped. Choose: bring the records back; submit from an older checkpoint .*; or cancel and submit to start empty/)
    expect(await one.wrong()).toEqual([expect.stringMatching(/^audit: position-behind-start: s0-0 stands at 100 of .*, which begins at 123: 23 offsets were not read and are gone$/)])
    await one.gone()
  }, 90_000)

  test('the neighbour of all these: every record once', async () => {
    await neighbour.write(0, neighbour.events(100))
    expect(await neighbour.wrong()).toEqual([])
  }, 60_000)
})
