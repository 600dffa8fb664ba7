// A disk that fills up under load, one server at a time: MinIO's, Kafka's, the embedded store's. Each is called by its own words, and with space again the job
// goes on. The embedded log's: test/integration/bad-input/full-disk.test.ts.
import { afterEach, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import { Cluster } from '../cluster/cluster.ts'
import { serversOf } from '../cluster/servers.ts'
import { Subject } from '../integration/bad-input/subject.ts'
import { describeWith, startKafka, startMinio } from '../services/index.ts'

/** As much as there is, in pieces: what is left over at the end is too little for anything. */
const fill = (disk: string): (() => void) => {
  const ballast = join(disk, 'ballast')
  mkdirSync(ballast)
  for (let piece = 64 * 1024 * 1024, number = 0; piece >= 4_096; number += 1) {
    const { bavail, bsize } = statfsSync(disk)
    const room = Number(bavail) * Number(bsize)
    if (room < piece) {
      piece = Math.trunc(piece / 2)
      continue
    }
    try {
      writeFileSync(join(ballast, String(number)), Buffer.alloc(piece))
    } catch {
      piece = Math.trunc(piece / 2)
    }
  }
  return () => rmSync(ballast, { recursive: true })
}

const until = async (what: string, cluster: Cluster, wanted: () => boolean | Promise<boolean>): Promise<void> => {
  for (const began = realClock.monotonic(); !await wanted();) {
    if (realClock.monotonic() - began > 60_000) throw new Error(`not so: ${what}\n${cluster.story()}`)
    await realClock.sleep(20)
  }
}
const says = (cluster: Cluster, text: RegExp): boolean => [cluster.driver, ...cluster.executors].some((one) => one?.lines.some((line) => text.test(JSON.stringify(line))) === true)
const newest = async (one: Subject): Promise<number> => (await one.cluster.jobs.describe(one.job.name)).checkpoints[0]?.checkpoint ?? 0

describeWith(['kafka', 'minio', 'redis', 'tmpfs'], 'a full disk', (server) => {
  const cleanUps: (() => unknown)[] = []
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp()
  }, 60_000)

  const disk = (sizeMiB: number, at = mkdtempSync(join(tmpdir(), 'tidemark-disk-'))): string => {
    execFileSync(server('tmpfs').mount, ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', at])
    // Behind all others, whenever it was mounted: what writes to it has ended by then.
    cleanUps.unshift(() => {
      execFileSync(server('tmpfs').umount, ['-l', at])
      rmSync(at, { recursive: true, force: true })
    })
    return at
  }
  const start = async (servers: Readonly<Record<string, string>>): Promise<Cluster> => {
    const cluster = await Cluster.start({ servers, executors: 1 })
    cleanUps.push(() => cluster.stop())
    return cluster
  }
  /** Processing goes on without checkpoints, `text` is said, and with space again checkpoints go on. */
  const outlasts = async (cluster: Cluster, full: string, text: RegExp): Promise<void> => {
    const one = await Subject.start(cluster, { copartitioned: true, partitions: 2 })
    cleanUps.push(() => one.job.remove(cluster.log))
    await one.write(0, one.events(200))
    expect(await one.wrong()).toEqual([])
    await until('a checkpoint', cluster, async () => await newest(one) > 0)
    const free = fill(full)
    // State changes, or a checkpoint would have nothing to write.
    await until(`${text} is said`, cluster, async () => {
      await one.write(0, one.events(20))
      return says(cluster, text)
    })
    await one.write(0, one.events(200))
    expect(await one.wrong()).toEqual([])
    const before = await newest(one)
    free()
    await until('checkpoints go on', cluster, async () => {
      await one.write(0, one.events(20))
      return await newest(one) > before + 1
    })
    expect(await one.wrong()).toEqual([])
  }

  test('a full disk under MinIO → processing goes on, the store is called full; with space again checkpoints go on', async () => {
    const full = disk(96)
    const minio = await startMinio({ folder: join(full, 'minio') })
    cleanUps.push(() => minio.close())
    const cluster = await start({ ...serversOf(server), TIDEMARK_S3_ENDPOINT: minio.endpoint, TIDEMARK_S3_ACCESS_KEY: minio.accessKey, TIDEMARK_S3_SECRET_KEY: minio.secretKey })
    await outlasts(cluster, full, /minio http[^"]* is full: /)
  }, 180_000)

  test('a full disk under the embedded store, the log has another → processing goes on, the store is called full; with space again checkpoints go on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-cluster-'))
    const full = join(folder, 'store')
    mkdirSync(full)
    disk(32, full)
    const cluster = await Cluster.start({ executors: 1, folder })
    cleanUps.splice(cleanUps.length - 1, 0, () => rmSync(folder, { recursive: true, force: true }), () => cluster.stop().catch(() => {}))
    await outlasts(cluster, full, /the store local [^"]* is full: ENOSPC/)
  }, 180_000)

  test('a full disk under Kafka → the broker ends, nothing is committed, it is said that it is away; with space again and started, the job goes on, exact', async () => {
    const full = disk(256)
    const broker = await startKafka({ folder: join(full, 'kafka') })
    cleanUps.push(() => broker.close())
    const cluster = await start({ ...serversOf(server), TIDEMARK_KAFKA: broker.brokers })
    const one = await Subject.start(cluster, { copartitioned: true, partitions: 2, checkpointInterval: 600_000 })
    await one.write(0, one.events(200))
    expect(await one.wrong()).toEqual([])
    const free = fill(full)
    await until('the broker is away, and that is said', cluster, async () => {
      await one.write(0, one.events(20)).catch(() => {})
      return says(cluster, /LOG_UNAVAILABLE/)
    })
    const pid = broker.identity()?.pid
    await until('the broker has ended', cluster, () => !existsSync(`/proc/${pid}`))
    free()
    await broker.restart()
    await until('the broker answers', cluster, () => cluster.log.listTopics().then(() => true, () => false))
    await cluster.allRunning(one.job.name)
    // A write that was refused may have happened or not; what counts is what stands in the topic.
    one.written.splice(0, Infinity, ...await one.input())
    await one.write(0, one.events(200))
    expect(await one.wrong()).toEqual([])
    expect((await cluster.jobs.describe(one.job.name)).summary).toMatchObject({ state: 'running', run: 1 })
  }, 240_000)
})
