// Ten SIGKILLs under load on real servers: exact by our reader and by kcat, snapshots were loaded, and how long the output was silent.
import { expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { MainJob, SEED } from '../cluster/main-job.ts'
import { serversOf } from '../cluster/servers.ts'
import { describeWith, readCommitted } from '../services/index.ts'
import { checkRunningTotals } from '../workload/oracle.ts'
import type { RunningTotal } from '../workload/oracle.ts'

const KILLS = 10

describeWith(['kafka', 'minio', 'redis', 'kcat'], 'ten kills on real servers', (server) => {
  test.each([['copartitioned', { copartitioned: true }], ['with a shuffle and an idle input partition', { copartitioned: false, idlePartitions: [3] }]])(`ten kills under load, %s (seed ${SEED}) → exact`, async (name, options) => {
    const main = await MainJob.start(serversOf(server), { ...options, executors: 3 })
    try {
      main.feeder.start()
      const recoveries: object[] = []
      for (let kill = 0; kill < KILLS; kill += 1) {
        await main.fed(1_500)
        const [victim] = await main.cluster.owners(main.job.name)
        const killedAt = realClock.now()
        await victim?.kill()
        await main.recovered(3)
        const { tasks } = await main.cluster.until(main.job.name, (description) => description.tasks.every((task) => (task.recovery?.steps?.firstCommitMs ?? 0) > 0 || (task.recovery?.detectedAt ?? 0) < killedAt), 'first commits')
        const moved = tasks.filter((task) => (task.recovery?.detectedAt ?? 0) >= killedAt)
        recoveries.push({
          kill, moved: moved.length, detectedMs: Math.min(...moved.map((task) => (task.recovery?.detectedAt ?? 0) - killedAt)),
          toFirstCommitMs: Math.max(...moved.map((task) => (task.recovery?.assignedAt ?? 0) - killedAt + (task.recovery?.steps?.firstCommitMs ?? 0))),
          snapshots: moved.map((task) => task.recovery?.steps?.snapshot?.checkpoint ?? 'journal'), tails: moved.map((task) => task.recovery?.steps?.tailBatches),
        })
      }
      process.stdout.write(`${name}\n${recoveries.map((recovery) => JSON.stringify(recovery)).join('\n')}\n`)
      expect(await main.settle()).toEqual([])
      const byKcat = (await readCommitted(server('kafka').brokers, main.job.running)).map((record) => JSON.parse(record.payload ?? 'null') as RunningTotal)
      expect(checkRunningTotals(main.feeder.written, byKcat)).toEqual([])
      const { tasks } = await main.cluster.jobs.describe(main.job.name)
      // Not the whole journal: whoever took over in the end went on from a snapshot.
      expect(tasks.filter((task) => task.recovery?.steps !== undefined).every((task) => task.recovery?.steps?.snapshot !== undefined)).toBe(true)
    } finally {
      await main.stop()
    }
  }, 300_000)
})
