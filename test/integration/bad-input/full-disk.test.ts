// The disk under the embedded log fills up under load: nothing is committed meanwhile, it says so, and goes on by itself once there is space.
import { afterEach, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import type { TidemarkError } from '@tidemark/base'
import { Cluster } from '../../cluster/cluster.ts'
import { describeWith } from '../../services/index.ts'
import { Subject } from './subject.ts'

const DISK_MIB = 48

describeWith(['tmpfs'], 'the disk under the embedded log', (server) => {
  let folder: string | undefined
  let cluster: Cluster | undefined
  afterEach(async () => {
    await cluster?.stop()
    if (folder !== undefined) {
      execFileSync(server('tmpfs').umount, ['-l', folder])
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    }
  }, 60_000)

  test('a full disk under the embedded log → no batch is committed, the log says why; with space again it goes on, nothing lost, nothing doubled', async () => {
    const disk = folder = mkdtempSync(join(tmpdir(), 'tidemark-disk-'))
    execFileSync(server('tmpfs').mount, ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', disk])
    cluster = await Cluster.start({ executors: 1, folder: join(disk, 'data') })
    const one = await Subject.start(cluster, { copartitioned: true, partitions: 1, checkpointInterval: 600_000 })
    await one.write(0, one.events(500))
    expect(await one.wrong()).toEqual([])
    const { bavail, bsize } = statfsSync(disk)
    const ballast = join(disk, 'ballast')
    try {
      writeFileSync(ballast, Buffer.alloc(Number(bavail) * Number(bsize)))
    } catch {
      // As much as there was: full is what it is for.
    }
    const saysSo = (): boolean => cluster?.executors[0]?.lines.some((line) => JSON.stringify(line).includes('disk is full')) === true
    const refused = new Set<string>()
    for (const began = realClock.monotonic(); !saysSo();) {
      if (realClock.monotonic() - began > 40_000) throw new Error(`nobody says that the disk is full\n${cluster.story()}`)
      await one.write(0, one.events(500)).catch((error: unknown) => refused.add((error as TidemarkError).code))
      await realClock.sleep(20)
    }
    for (const code of refused) expect(['LOG_UNAVAILABLE', 'LOG_OUTCOME_UNKNOWN']).toContain(code)
    rmSync(ballast)
    await one.write(0, one.events(500))
    // A write that was refused may have happened or not; what counts is what stands in the topic.
    one.written.splice(0, Infinity, ...await one.input())
    expect(await one.wrong()).toEqual([])
    expect((await cluster.jobs.describe(one.job.name)).summary).toMatchObject({ state: 'running', run: 1 })
  }, 90_000)
})
