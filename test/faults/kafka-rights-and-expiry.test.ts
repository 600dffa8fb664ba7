// A broker that takes the right to write away from one topic, and one that forgets the transactional ids of jobs that have nothing to do.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { Cluster } from '../cluster/cluster.ts'
import { serversOf } from '../cluster/servers.ts'
import { Subject } from '../integration/bad-input/subject.ts'
import { denyWriting, describeWith, startKafka } from '../services/index.ts'

const EXPIRY_MS = 3_000
const SETTINGS = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer', 'allow.everyone.if.no.acl.found': 'true',
  'transactional.id.expiration.ms': String(EXPIRY_MS), 'transaction.remove.expired.transaction.cleanup.interval.ms': '200',
  'producer.id.expiration.ms': String(EXPIRY_MS), 'producer.id.expiration.check.interval.ms': '200',
}

describeWith(['kafka', 'minio', 'redis'], 'rights and expiry', (server) => {
  let broker: Awaited<ReturnType<typeof startKafka>>
  let cluster: Cluster
  let neighbour: Subject
  beforeAll(async () => {
    broker = await startKafka({ settings: SETTINGS })
    cluster = await Cluster.start({ servers: { ...serversOf(server), TIDEMARK_KAFKA: broker.brokers }, executors: 1, slots: 2 })
    // No checkpoint and no idle mark of its own while it has nothing to do: its transactional id is not used.
    neighbour = await Subject.start(cluster, { copartitioned: true, partitions: 1, checkpointInterval: 600_000 })
  }, 180_000)
  afterAll(async () => {
    await cluster.stop()
    await broker.close()
  }, 60_000)

  test('a committed idle job whose transactional id expires → its next batch is committed under a new id, nothing lost, nothing doubled', async () => {
    await neighbour.write(0, neighbour.events(50))
    expect(await neighbour.wrong()).toEqual([])
    const idle = (): Promise<number> => cluster.jobs.describe(neighbour.job.name).then(({ tasks }) => tasks[0]?.batchId ?? -1)
    // The idle mark of its only partition is its last batch.
    let last = -1
    for (let now = await idle(); now !== last; now = await idle()) {
      last = now
      await realClock.sleep(6_000)
    }
    await realClock.sleep(EXPIRY_MS + 2_000)
    expect(await idle()).toBe(last)
    await neighbour.write(0, neighbour.events(50))
    expect(await neighbour.wrong()).toEqual([])
    const lost = cluster.executors[0]?.lines.filter(({ msg }) => msg === 'session.lost') ?? []
    expect(lost.length).toBeGreaterThan(0)
    expect((await cluster.jobs.describe(neighbour.job.name)).summary).toMatchObject({ state: 'running', run: 1 })
  }, 90_000)

  test('an output topic that is not writable → that job stops with LOG_NOT_AUTHORISED and its name, its neighbour goes on', async () => {
    const one = await Subject.start(cluster, { copartitioned: true, partitions: 1 })
    await one.write(0, one.events(50))
    expect(await one.wrong()).toEqual([])
    await denyWriting(broker.brokers, one.job.running)
    const before = one.output.records.length
    await cluster.log.write([{ topic: one.job.input, partition: 0, records: one.events(10).map((event) => ({ key: event.user, value: JSON.stringify(event) })) }])
    const error = await one.failed()
    expect(error).toMatchObject({ code: 'LOG_NOT_AUTHORISED', action: 'fail-job' })
    expect(error.message).toContain(one.job.running)
    expect(await one.output.read()).toHaveLength(before)
    await neighbour.write(0, neighbour.events(50))
    expect(await neighbour.wrong()).toEqual([])
  }, 90_000)
})
