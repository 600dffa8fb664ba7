// The books on Kafka and MinIO: transactions that are open, control records and aborted ones between the positions, killed under load.
import { expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { MainJob, SEED } from '../../cluster/main-job.ts'
import { serversOf } from '../../cluster/servers.ts'
import { describeWith } from '../../services/index.ts'
import { auditReportOf, runAudit } from '../../cluster/audit.ts'

describeWith(['kafka', 'minio', 'redis'], `audit on real servers (seed ${SEED})`, (server) => {
  test.each([['with a shuffle', { copartitioned: false }], ['copartitioned', { copartitioned: true }]])('audit, %s, killed under load → balanced while it runs, without a driver and when it is quiet', async (_name, options) => {
    const bucket = { TIDEMARK_S3_BUCKET: `audit-${randomUUID()}` }
    const servers = { ...serversOf(server), ...bucket }
    const main = await MainJob.start(servers, { ...options, executors: 3, checkpointInterval: 1_500, env: bucket })
    const { cluster, job } = main
    try {
      main.feeder.start()
      for (let kill = 0; kill < 3; kill += 1) {
        await main.fed(1_500)
        const [victim] = await cluster.owners(job.name)
        await victim?.kill()
        const { report, code } = await auditReportOf(cluster.folder, servers, [job.name])
        expect([report.findings, code]).toEqual([[], 0])
        await main.recovered(3)
      }
      await cluster.driver?.kill()
      const headless = await auditReportOf(cluster.folder, servers, [job.name])
      expect([headless.report.findings, headless.code]).toEqual([[], 0])
      await cluster.startDriver()
      await cluster.allRunning(job.name)
      expect(await main.settle()).toEqual([])
      const quiet = await auditReportOf(cluster.folder, servers, [job.name])
      expect([quiet.report.findings, quiet.report.untold, quiet.code]).toEqual([[], [], 0])
      expect(quiet.report.compared).toMatchObject({ batches: expect.any(Number), states: expect.any(Number), totals: options.copartitioned ? 2 : 3 })
      process.stdout.write((await runAudit(cluster.folder, servers, [job.name])).out)
    } finally {
      await main.stop()
    }
  }, 300_000)
})
