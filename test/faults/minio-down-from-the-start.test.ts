// MinIO down when a driver or an executor starts: the driver says what it can't reach and ends; what is to run waits for the bundle, and runs once it is there.
import { afterEach, expect, test } from '@jest/globals'
import { Cluster } from '../cluster/cluster.ts'
import { serversOf } from '../cluster/servers.ts'
import { Subject } from '../integration/bad-input/subject.ts'
import { describeWith, startMinio } from '../services/index.ts'

describeWith(['kafka', 'minio', 'redis'], 'MinIO down from the start', (server) => {
  let minio: Awaited<ReturnType<typeof startMinio>> | undefined
  let cluster: Cluster | undefined
  afterEach(async () => {
    await cluster?.stop()
    await minio?.close()
    cluster = undefined
  }, 60_000)
  const servers = (): Readonly<Record<string, string>> => ({ ...serversOf(server), TIDEMARK_S3_ENDPOINT: minio?.endpoint ?? '', TIDEMARK_S3_ACCESS_KEY: minio?.accessKey ?? '', TIDEMARK_S3_SECRET_KEY: minio?.secretKey ?? '' })

  test('a driver → ends at once with STORE_UNAVAILABLE, the address and what to look at', async () => {
    minio = await startMinio()
    await minio.stop()
    await expect(Cluster.start({ servers: servers(), executors: 0 })).rejects.toThrow(new RegExp(`STORE_UNAVAILABLE[^]*${minio.port}`))
  }, 90_000)

  test('the executors of a running job, all of them dead → its tasks wait for the store; MinIO is back and they go on, exact', async () => {
    minio = await startMinio()
    cluster = await Cluster.start({ servers: servers(), executors: 1 })
    const one = await Subject.start(cluster, { copartitioned: true, partitions: 2 })
    await one.write(0, one.events(50))
    expect(await one.wrong()).toEqual([])
    await minio.stop()
    await cluster.executors[0]?.kill()
    const fresh = cluster.startExecutor()
    await fresh.line((line) => line.msg === 'slot.store-unreachable')
    await one.write(0, one.events(50))
    expect((await cluster.jobs.describe(one.job.name)).summary).toMatchObject({ state: 'running', tasksRunning: 0 })
    await minio.restart()
    await cluster.allRunning(one.job.name)
    expect(await one.wrong()).toEqual([])
    await one.job.remove(cluster.log)
  }, 120_000)
})
