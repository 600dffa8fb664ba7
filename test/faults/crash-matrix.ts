// Kills real processes at every named fault point, under load: the slot with its executor, the executor alone, and a second process in the
// middle of the takeover that the first death caused. One cluster serves all points; nothing may be lost or doubled in the end.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import { FAULT_POINTS, OPEN_TRANSACTION_POINTS } from '@tidemark/checkpoint'
import type { FaultPoint } from '@tidemark/checkpoint'
import type { ServerEnvironment } from '../cluster/cluster.ts'
import { MainJob, SEED } from '../cluster/main-job.ts'
import type { WindowResult } from '../cluster/main-job.ts'
import { checkRunningTotals, checkWindowTotals } from '../workload/oracle.ts'
import type { RunningTotal } from '../workload/oracle.ts'

const EXECUTORS = 3
const FIRED_MS_MAX = 45_000
const PROVOKE_AGAIN_MS = 8_000
/** Longer than the job's `idleAfter`: owners die while their partitions are idle, and their heirs find a burst. */
const STALL_MS = 500

interface MatrixOptions {
  readonly copartitioned: boolean
  /** The log is Kafka: transactions can be seen open. */
  readonly hasOpenTransactions: boolean
  readonly idlePartitions?: readonly number[]
  /** Reads a topic with a client that is not ours: the values, parsed, in partition and offset order. */
  readonly independently?: (topic: string) => Promise<readonly unknown[]>
}

const pointsOf = (hasOpenTransactions: boolean, copartitioned: boolean): FaultPoint[] => FAULT_POINTS.filter((point) =>
  (hasOpenTransactions || !OPEN_TRANSACTION_POINTS.some((open) => open === point)) && (!copartitioned || point !== 'snapshot.in-flight-stored'))

/** What makes a process come to a point: load alone, a death, or an orderly leave of a living owner. */
const provoke = async (main: MainJob, point: FaultPoint): Promise<void> => {
  await main.recovered(EXECUTORS)
  main.feeder.stall(STALL_MS)
  const [owner] = await main.cluster.owners(main.job.name)
  if (point.startsWith('takeover.')) await owner?.kill()
  if (point.startsWith('release.')) owner?.signal('SIGTERM')
}

export const crashMatrix = (title: string, servers: () => ServerEnvironment, options: MatrixOptions): void => {
  describe(`crash matrix, ${title} (seed ${SEED})`, () => {
    let main: MainJob
    let folder: string

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'tidemark-sink-'))
      main = await MainJob.start(servers(), { ...options, folder: join(folder, 'out'), checkpointInterval: 700, executors: EXECUTORS, idleAfter: 200 })
      main.feeder.start()
    }, 120_000)

    afterAll(async () => {
      await main.stop()
      rmSync(folder, { recursive: true, force: true })
    }, 60_000)

    const cases = pointsOf(options.hasOpenTransactions, options.copartitioned).flatMap((point) => (['both', 'executor'] as const).map((whom) => [point, whom] as const))
    test.each(cases)('crash matrix: at %s, %s killed → recovers by itself, counts go on', async (point, whom) => {
      const armed = join(main.cluster.faultFolder, point)
      writeFileSync(armed, whom)
      await provoke(main, point)
      let provokedAt = realClock.monotonic()
      for (const began = provokedAt; existsSync(armed);) {
        // A takeover may have found nothing to fence or to load. An owner that is told to leave has something to release, always.
        if (point.startsWith('takeover.') && realClock.monotonic() - provokedAt > PROVOKE_AGAIN_MS) {
          await provoke(main, point)
          provokedAt = realClock.monotonic()
        }
        if (realClock.monotonic() - began > FIRED_MS_MAX) throw new Error(`nothing came to ${point} in ${FIRED_MS_MAX} ms\n${main.cluster.story()}`)
        await realClock.sleep(10)
      }
      await main.recovered(EXECUTORS)
      await main.fed(200)
      expect(await main.soFar()).toEqual([])
    }, 120_000)

    test('crash matrix: in the end every result is right, in topics and files', async () => {
      const wrong = await main.settle()
      const { tasks } = await main.cluster.jobs.describe(main.job.name)
      const late = tasks.filter(({ totals }) => (totals['lateDrops'] ?? 0) > 0).map(({ stage, partition, totals }) => `${stage}/${partition}: ${totals['lateDrops']} late`)
      expect([...wrong, ...late]).toEqual([])
      if (options.independently !== undefined) {
        expect(checkRunningTotals(main.feeder.written, await options.independently(main.job.running) as RunningTotal[])).toEqual([])
        expect(checkWindowTotals(main.feeder.written, 10_000, await options.independently(main.job.windows) as WindowResult[])).toEqual([])
      }
      const lines = (): RunningTotal[] => readdirSync(join(folder, 'out')).filter((name) => name.endsWith('.ndjson')).toSorted()
        .flatMap((name) => readFileSync(join(folder, 'out', name), 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as RunningTotal))
      // Files are named by task and batch: within a task their order is that of the batches. They follow the topics as fast as the disk syncs.
      expect(await main.until(() => checkRunningTotals(main.feeder.written, lines()))).toEqual([])
    }, 120_000)
  })
}
